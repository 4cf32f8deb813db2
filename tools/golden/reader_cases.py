"""Writes the readers' fixtures: files of PyTorch, NumPy and SciPy that ask more of a reader than the usual ones.

Written with torch 2.13.0 and NumPy 2.4.6: `reader_cases.py DIR`. Besides the files it writes `cases.json`: for each file
the values that the tool which wrote it reads back, tensors as {dtype, shape, values}.
"""

import argparse
import collections
import io
import json
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.simplefilter("ignore")


def told(tensor):
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    dtype = str(tensor.dtype)[6:]
    tensor = tensor.resolve_conj().resolve_neg().contiguous()
    flat = torch.view_as_real(tensor).flatten() if tensor.is_complex() else tensor.flatten()
    return {"dtype": dtype, "shape": list(tensor.shape), "values": [float(value) for value in (flat.float() if flat.dtype.is_floating_point else flat).tolist()]}


class Attributed(torch.Tensor):
    pass


def torch_cases():
    base = torch.arange(6, dtype=torch.float32).reshape(2, 3) - 2.5
    complex_numbers = torch.tensor([1 + 2j, 3 - 4j])
    with_attribute = torch.tensor([1.0, 2.0])
    with_attribute.note = "kept by Python only"
    parameter = torch.nn.Parameter(base.clone())
    parameter.tag = "of a parameter"
    coo = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 0]], [3.0, 4.0, 5.0], (2, 3))
    hybrid = torch.sparse_coo_tensor([[0, 2]], [[1.0, 2.0], [3.0, 4.0]], (3, 2)).coalesce()
    model = torch.nn.Sequential(collections.OrderedDict(conv=torch.nn.Linear(3, 2)))
    compiled = {f"_orig_mod.{name}": value for name, value in model.state_dict().items()}
    sharded = {f"_fsdp_wrapped_module.conv._fsdp_wrapped_module.{name[5:]}": value for name, value in model.state_dict().items()}
    return {
        "neg_view": {"w": torch._neg_view(torch.tensor([1.0, 3.0]))},
        "neg_conj_imag": {"w": complex_numbers.conj().imag, "half": torch._neg_view(torch.tensor([1.0, -0.5]).half())},
        "complex": {"w": complex_numbers, "conj": complex_numbers.conj(), "plain": base},
        "attribute": {"w": with_attribute, "parameter": parameter, "plain": base},
        "quantized": {
            "tensor": torch.quantize_per_tensor(base, 0.1, 3, torch.qint8),
            "channel": torch.quantize_per_channel(base, torch.tensor([0.1, 0.5]), torch.tensor([2, 7]), 0, torch.quint8),
            "int32": torch.quantize_per_tensor(base, 0.003, -5, torch.qint32),
        },
        "sparse": {"coo": coo, "hybrid": hybrid, "csr": base.to_sparse_csr(), "csc": base.to_sparse_csc(), "plain": base},
        "float8": {
            "e4m3": torch.tensor([0.0, -0.0, 1.0, -448.0, 0.001953125, 1.75]).to(torch.float8_e4m3fn),
            "e5m2": torch.tensor([0.0, 57344.0, -1.5, 1.52587890625e-05]).to(torch.float8_e5m2),
            "plain": base,
        },
        "unsigned": {
            "u16": torch.tensor([0, 65535], dtype=torch.uint16),
            "u32": torch.tensor([0, 4294967295], dtype=torch.uint32),
            "strided": torch.arange(6, dtype=torch.int64).to(torch.uint16).reshape(2, 3).T,
        },
        "unread": {"fnuz": torch.zeros(2, dtype=torch.float8_e4m3fnuz), "meta": torch.empty(2, device="meta"), "plain": base},
        "containers": {
            "counter": collections.Counter({"a": 2}),
            "bytes": bytearray(b"\x00\xff"),
            "complex": 1 + 2j,
            "set": {1, 2},
            "namespace": argparse.Namespace(lr=0.5, name="x"),
            "plain": base,
        },
        "compiled": compiled,
        "sharded": sharded,
        "net": {"net": model.state_dict(), "epoch": 3},
        "model_ema": {"model_ema": model.state_dict(), "step": 7},
    }


def save_torch(folder, cases):
    for name, value in torch_cases().items():
        torch.save(value, folder / f"{name}.pth")
        if name in ("neg_view", "attribute", "complex", "sparse", "quantized"):
            torch.save(value, folder / f"{name}_legacy.pth", _use_new_zipfile_serialization=False)
        inner = value.get("net") or value.get("model_ema") or value
        cases[name] = {key: told(item) for key, item in inner.items() if isinstance(item, torch.Tensor) and item.device.type == "cpu"}
        if name == "unread":
            del cases[name]["fnuz"]
    # What torch-xla writes: tensors by way of NumPy.
    class Device:
        def __init__(self, array, dtype):
            self.args = (array, dtype, "xla:0", False)

        def __reduce__(self):
            return (torch._utils._rebuild_device_tensor_from_numpy, self.args)

    values = np.array([1.0, 2.5, -3.0], dtype=np.float32)
    torch.save({"w": Device(values, torch.float32), "half": Device(values, torch.bfloat16)}, folder / "xla.pth")
    cases["xla"] = {"w": told(torch.from_numpy(values)), "half": told(torch.from_numpy(values).bfloat16())}


def save_numpy(folder, cases):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    transposed = np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)
    np.save(folder / "strings.npy", np.array(["a", "bcé", ""], dtype=np.dtypes.StringDType()))
    np.save(folder / "strings_missing.npy", np.array(["a", None], dtype=np.dtypes.StringDType(na_object=None)))
    objects = np.empty(2, dtype=object)
    objects[:] = [transposed, array]
    for protocol in (4, 5):
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": (2,)})
        pickle.dump(objects, buffer, protocol=protocol)
        (folder / f"objects_{protocol}.npy").write_bytes(buffer.getvalue())
    cases["objects"] = {"shape": list(transposed.shape), "values": transposed.ravel().tolist()}
    protocol0 = pickle.dumps({"text": "é\u1234\ud800\\n", "inf": float("inf"), "minus": float("-inf"), "nan": float("nan"), "yes": True, "huge": 2**70}, 0)
    (folder / "protocol0.pkl").write_bytes(protocol0)
    (folder / "surrogates.pkl").write_bytes(pickle.dumps(["\ufeffbom", "a\ud800b", "\U0001f600"], 4))
    # Headers as other writers spell them, around the same six values.
    spellings = {
        "double_quotes": '{"descr": "<f4", "fortran_order": False, "shape": (2, 3)}',
        "other_order": "{'shape': (2, 3,), 'fortran_order':False,'descr':'<f4'}",
        "list_shape": "{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : [2, 3] , }",
        "longs": "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
        "type_name": "{'descr': 'float32', 'fortran_order': False, 'shape': (2, 3), }",
        "new_lines": "{'descr':\n'<f4',\n'fortran_order':\nFalse,\n'shape':\n(2,\n3)}\n",
    }
    for name, text in spellings.items():
        raw = text.encode("latin1") + b"\n"
        (folder / f"npy_{name}.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw + array.tobytes())
    structured = np.zeros(2, dtype=[("a", "<i4"), ("b", "<f8")])
    np.save(folder / "structured.npy", structured)


def save_scipy(folder):
    import scipy.sparse

    scipy.sparse.save_npz(folder / "scipy_csr.npz", scipy.sparse.csr_matrix(np.eye(3)))
    scipy.sparse.save_npz(folder / "scipy_coo.npz", scipy.sparse.coo_matrix(np.eye(3)))


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    cases = {}
    save_torch(folder, cases)
    save_numpy(folder, cases)
    save_scipy(folder)
    (folder / "cases.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
