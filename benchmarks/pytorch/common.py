"""What every script here shares: threads, device, and the line of JSON that the benchmark runner reads."""

import json
import statistics
import time

import torch
from memory import own_peak_mib


def add_common_arguments(parser):
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")


def device_of(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(23)
    return torch.device(args.device)


def synchronize(device):
    """A GPU works on while Python goes on: without this only the queueing would be timed."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(repeats, device, work, warmup=1):
    """Seconds of every run after those that warm up: a list of them on the clock, and one of all threads together."""
    walls, cpus = [], []
    for _ in range(warmup + repeats):
        synchronize(device)
        start, cpu = time.perf_counter(), time.process_time()
        work()
        synchronize(device)
        walls.append(time.perf_counter() - start)
        cpus.append(time.process_time() - cpu)
    return walls[warmup:], cpus[warmup:]


def report(args, device, times, scale=1.0, cpu_times=None):
    """
    Prints the median of `times` in seconds; `scale` turns it into the benchmark's unit of work. `cpu_times` are those of
    all threads together: on a machine that others use as well, the least of them says more.
    """
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(
        json.dumps(
            {
                "program": f"PyTorch {torch.__version__}",
                "device": where,
                "threads": args.threads,
                "seconds": statistics.median(times) * scale,
                "cpuSeconds": min(cpu_times) * scale if cpu_times else None,
                "peakMemoryMiB": own_peak_mib(),
            }
        )
    )
