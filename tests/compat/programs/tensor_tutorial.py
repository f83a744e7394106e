"""The first tensor tutorial: making, printing, indexing, joining, sharing with NumPy."""

import numpy as np
import torch

torch.manual_seed(0)
data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
np_array = np.array(data)
x_np = torch.from_numpy(np_array)
x_ones = torch.ones_like(x_data)
print(f"Ones Tensor: \n {x_ones} \n")
x_rand = torch.rand_like(x_data, dtype=torch.float)
print(f"Random Tensor: \n {x_rand} \n")
shape = (
    2,
    3,
)
print(torch.rand(shape), torch.ones(shape), torch.zeros(shape))
tensor = torch.rand(3, 4)
print(f"Shape of tensor: {tensor.shape}")
print(f"Datatype of tensor: {tensor.dtype}")
print(f"Device tensor is stored on: {tensor.device}")
if torch.cuda.is_available():
    tensor = tensor.to("cuda")
device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
print(f"Using {device} device")
tensor = torch.ones(4, 4)
print(f"First row: {tensor[0]}")
print(f"First column: {tensor[:, 0]}")
print(f"Last column: {tensor[..., -1]}")
tensor[:, 1] = 0
print(tensor)
t1 = torch.cat([tensor, tensor, tensor], dim=1)
print(t1)
y1 = tensor @ tensor.T
y2 = tensor.matmul(tensor.T)
y3 = torch.rand_like(y1)
torch.matmul(tensor, tensor.T, out=y3)
print(y1, (y1 == y3).all())
z3 = torch.rand_like(tensor)
torch.mul(tensor, tensor, out=z3)
print(z3)
agg = tensor.sum()
agg_item = agg.item()
print(agg_item, type(agg_item))
print(f"{tensor} \n")
tensor.add_(5)
print(tensor)
t = torch.ones(5)
print(f"t: {t}")
n = t.numpy()
print(f"n: {n}")
t.add_(1)
print(f"t: {t}")
print(f"n: {n}")
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
print(f"t: {t}")
print(f"n: {n}")
x = torch.empty(3, 4)
print(type(x))
a = torch.ones(2, 2, requires_grad=True)
print(a)
b = (a * 3).sin()
print(b)
print(torch.ones(24).reshape(2, 3, 4))
c = torch.rand(226, 226)
print(c)
print(torch.rand(6, 20, 20).unsqueeze(0).shape, c.unsqueeze_(0).shape)
a = torch.rand(2, 2) * 2 - 1
print(torch.abs(a), torch.ceil(a), torch.floor(a), torch.clamp(a, -0.5, 0.5))
angles = torch.tensor([0, np.pi / 4, np.pi / 2, 3 * np.pi / 4])
sines = torch.sin(angles)
print(angles, sines, torch.asin(sines))
b = torch.tensor([1, 5, 11])
c = torch.tensor([2, 7, 10])
print(torch.bitwise_xor(b, c))
d = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
e = torch.ones(1, 2)
print(torch.eq(d, e), torch.max(d), torch.max(d).item(), torch.mean(d), torch.std(d), torch.prod(d))
print(torch.unique(torch.tensor([1, 2, 1, 2, 1, 2])))
v1 = torch.tensor([1.0, 0.0, 0.0])
v2 = torch.tensor([0.0, 1.0, 0.0])
m1 = torch.rand(2, 2)
m2 = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
print(torch.linalg.cross(v2, v1))
print(m1)
m3 = torch.linalg.matmul(m1, m2)
print(m3)
print(torch.linalg.svd(m3).S)
print(torch.max(d, dim=1))
print(d.sort(descending=True))
print(d.topk(1))
print(torch.zeros(2, 0))
print(torch.tensor(True), torch.tensor(3.0), torch.tensor(7))
print(torch.arange(0, 1, 0.1), torch.linspace(0, 1, 5), torch.eye(3), torch.full((2, 2), 3.14))
print(
    torch.randn(2, 2, dtype=torch.float64),
    torch.randint(3, 10, (2, 2)),
    torch.tensor([1e10, 1e-5]),
    torch.tensor([float("nan"), float("inf")]),
)
print(torch.tensor([1 + 2j, 3 - 1j]))
print(x_data.to(torch.int16), x_data.half(), x_data.bfloat16(), x_data.bool())
print(
    tensor.size(),
    tensor.size(0),
    tensor.dim(),
    tensor.numel(),
    tensor.stride(),
    tensor.is_contiguous(),
)
print(tensor.tolist(), torch.is_tensor(tensor), tensor.element_size())
x = torch.rand(5, 3)
print(x.view(15)[:3], x.permute(1, 0).shape, x.t().shape, x.T.is_contiguous())
print(
    torch.stack([x, x]).shape,
    torch.split(x, 2)[2],
    x.chunk(2, dim=1)[1].shape,
    x.masked_select(x > 0.9),
)
print(x[x > 0.5].shape, torch.where(x > 0.5, x, 0.0), x.argmax(), x.argmax(dim=1), x.cumsum(0)[-1])
torch.set_printoptions(precision=2, sci_mode=False)
print(x)
torch.set_printoptions(profile="default")
print(
    x.to("cpu", torch.double)[0],
    torch.get_default_dtype(),
    torch.finfo(torch.float32).eps,
    torch.iinfo(torch.int8),
)
