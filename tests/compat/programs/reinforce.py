"""REINFORCE on a corridor: Categorical actions, discounted returns, a policy that improves."""

from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

torch.manual_seed(5)
LENGTH = 6


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(LENGTH, 16)
        self.affine2 = nn.Linear(16, 2)
        self.saved_log_probs, self.rewards = [], []

    def forward(self, x):
        return F.softmax(self.affine2(F.relu(self.affine1(x))), dim=1)


policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=2e-2)


def select_action(position):
    state = F.one_hot(torch.tensor([position]), LENGTH).float()
    m = Categorical(policy(state))
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode():
    R, policy_loss, returns = 0, [], deque()
    for r in policy.rewards[::-1]:
        R = r + 0.9 * R
        returns.appendleft(R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    for log_prob, R in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * R)
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]


lengths = []
for _ in range(60):
    position = 0
    steps = 0
    for _ in range(60):
        steps += 1
        position = max(0, position + (1 if select_action(position) else -1))
        done = position == LENGTH - 1
        policy.rewards.append(1.0 if done else -0.1)
        if done:
            break
    lengths.append(steps)
    finish_episode()
early, late = sum(lengths[:10]) / 10, sum(lengths[-10:]) / 10
print("improves", late < early and late < 12)
print("entropy", Categorical(probs=torch.full((2,), 0.5)).entropy().item())
