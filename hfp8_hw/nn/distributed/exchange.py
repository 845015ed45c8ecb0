"""Codes on their way between workers.

Each worker owns one shard of a flat tensor. `Exchange.scatter` gives every worker the sum of all
workers' parts of its shard, added in the order of ranks: the bits do not depend on which message
came first, nor on the number of shards. `Exchange.gather` gives everybody all shards. Only sends
and receives are used, which Gloo and NCCL both have for bytes.
"""

from __future__ import annotations

from functools import reduce

import torch
import torch.distributed as dist
from torch import Tensor

from ...errors import RunError
from ..update import add


def shard(size: int, workers: int, rank: int) -> slice:
    """The part of ``size`` elements that a worker owns; the first ones have one more where it does
    not divide."""
    each, more = divmod(size, workers)
    start = rank * each + min(rank, more)
    return slice(start, start + each + (rank < more))


class Exchange:
    """The exchange among the workers of a process group.

    Members
    -------
    rank, workers : int
    sent : int
        Bytes that this worker sent so far, without what the network adds.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group
        self.rank, self.workers = dist.get_rank(group), dist.get_world_size(group)
        self.sent = 0

    def shard(self, size: int, rank: int | None = None) -> slice:
        """The part of ``size`` elements of a worker, by default this one."""
        return shard(size, self.workers, self.rank if rank is None else rank)

    def scatter(self, values: Tensor) -> Tensor:
        """The own shard of the sum of all workers' flat tensors, in the order of ranks.

        ``int16`` codes of DLFLOAT16 are added as such, each sum rounded; ``float32`` as PyTorch
        does. Everybody's tensor has the same size.
        """
        parts = [values[self.shard(len(values), k)] for k in range(self.workers)]
        mine = parts[self.rank]
        came = self._swap(parts, [torch.empty_like(mine) for _ in parts])
        return reduce(add if values.dtype == torch.int16 else torch.add, came)

    def gather(self, part: Tensor, size: int) -> Tensor:
        """All ``size`` elements, of which everybody gives their shard."""
        out = torch.empty(size, dtype=part.dtype, device=part.device)
        room = [out[self.shard(size, k)] for k in range(self.workers)]
        for here, came in zip(room, self._swap([part] * self.workers, room), strict=True):
            if here.data_ptr() != came.data_ptr():
                here.copy_(came)
        return out

    def agree(self, good: bool, device: torch.device) -> bool:
        """Whether it is good for everybody."""
        word = torch.tensor([good], dtype=torch.uint8, device=device)
        room = [torch.empty_like(word) for _ in range(self.workers)]
        return all(bool(came) for came in self._swap([word] * self.workers, room))

    def _swap(self, give: list[Tensor], room: list[Tensor]) -> list[Tensor]:
        """``give[k]`` goes to worker k, what it gave comes into ``room[k]``; the own one stays."""
        come, go = [], []
        for k in range(1, self.workers):
            to, source = (self.rank + k) % self.workers, (self.rank - k) % self.workers
            if give[to].numel():
                data = give[to].contiguous().view(torch.uint8)
                self.sent += data.numel()
                go.append(dist.P2POp(dist.isend, data, to, self._group))
            if room[source].numel():
                data = room[source].view(torch.uint8)
                come.append(dist.P2POp(dist.irecv, data, source, self._group))
        # Receives first: Gloo tells the sender that it may begin in the stream of data itself, and
        # behind a message of one's own that word comes so late that only one of the two sends.
        work = come + go
        try:
            for request in dist.batch_isend_irecv(work) if work else ():
                request.wait()
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0]
            raise RunError(
                f"worker {self.rank} of {self.workers} lost another one, "
                f"or waited too long: {first}"
            ) from error
        return [give[k] if k == self.rank else room[k] for k in range(self.workers)]
