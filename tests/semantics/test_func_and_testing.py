"""torch.func, torch.testing, torch.jit's identities, torch.distributed's answers."""

import pytest

import rushlight as torch


def test_grad_of_functions():
    cube = lambda x: (x ** 3).sum()  # noqa: E731
    x = torch.tensor([1.0, 2.0])
    first = torch.func.grad(cube)(x)
    assert first.tolist() == [3, 12] and not first.requires_grad
    assert torch.func.grad(torch.func.grad(cube))(torch.tensor(2.0)).item() == 12
    gradient, value = torch.func.grad_and_value(cube)(x)
    assert gradient.tolist() == [3, 12] and value.item() == 9
    assert torch.func.jacrev(lambda v: v * v)(x).tolist() == [[2, 0], [0, 4]]
    assert torch.func.hessian(cube)(x).tolist() == [[6, 0], [0, 12]]
    outputs, pull = torch.func.vjp(lambda v: v * 3, x)
    assert outputs.tolist() == [3, 6] and pull(torch.ones(2))[0].tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="to return a scalar"):
        torch.func.grad(lambda v: v)(x)
    with pytest.raises(NotImplementedError, match="vmap"):
        torch.func.vmap(cube)


def test_functional_call_leaves_the_module_alone():
    layer = torch.nn.Linear(2, 1)
    before = layer.weight.detach().clone()
    zero = {name: torch.zeros_like(p) for name, p in layer.named_parameters()}
    assert torch.func.functional_call(layer, zero, (torch.ones(1, 2),)).item() == 0
    assert torch.equal(layer.weight, before)


def test_assert_close():
    torch.testing.assert_close(torch.ones(2), torch.ones(2) + 1e-7)
    torch.testing.assert_close({"a": [1.0, torch.ones(1)]}, {"a": [1.0, torch.ones(1)]})
    for wrong, text in ((torch.ones(3), "shape"), (torch.ones(2, dtype=torch.float64), "dtype"),
                        (torch.tensor([1.0, 2.0]), r"Mismatched elements: 1 / 2 \(50.0%\)")):
        with pytest.raises(AssertionError, match=text):
            torch.testing.assert_close(torch.ones(2), wrong)
    with pytest.raises(ValueError, match="both be specified"):
        torch.testing.assert_close(1, 1, rtol=0.1)


def test_script_changes_nothing():
    function = lambda x: x + 1  # noqa: E731
    assert torch.jit.script(function) is function and not torch.jit.is_scripting()
    with pytest.raises(NotImplementedError, match="torch.jit.load"):
        torch.jit.load("x.pt")


def test_distributed_says_that_it_is_not_there():
    assert not torch.distributed.is_available()
    with pytest.raises(NotImplementedError, match="init_process_group"):
        torch.distributed.init_process_group("gloo")


def test_hub_downloads_once_and_checks(tmp_path):
    source = tmp_path / "weights-abc.pt"
    torch.save({"w": torch.ones(2)}, source)
    folder = tmp_path / "cache"
    url = source.as_uri()
    found = torch.hub.load_state_dict_from_url(url, model_dir=str(folder))
    assert found["w"].tolist() == [1, 1]
    source.unlink()
    assert torch.hub.load_state_dict_from_url(url, model_dir=str(folder))["w"].tolist() == [1, 1]
    (tmp_path / "other-ffff.pt").write_bytes(b"x")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        torch.hub.load_state_dict_from_url((tmp_path / "other-ffff.pt").as_uri(),
                                           model_dir=str(folder), check_hash=True)
    assert [p.name for p in folder.iterdir()] == ["weights-abc.pt"]
