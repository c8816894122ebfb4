import asyncio
import contextlib
import time
from datetime import UTC, datetime

import pytest

from breakwater.engine.queue import WorkQueue
from breakwater.kernel.references import Subject

SUBJECT = Subject("Any", "", "one")


@pytest.mark.parametrize("steps", range(8))
async def test_timekeeping_ends_when_cancelled_however_close_to_a_new_time(steps: int) -> None:
    """A process that lost its Lease ends only when all its tasks do: one that swallows its cancellation keeps it."""
    queue = WorkQueue(lambda: datetime.now(UTC), time.monotonic)
    keeping = asyncio.create_task(queue.keep_time())
    await asyncio.sleep(0.01)
    queue.add_after(SUBJECT, 60.0)
    for _ in range(steps):
        await asyncio.sleep(0)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.timeout(1):
            await asyncio.wait({keeping})
    assert keeping.cancelled()
