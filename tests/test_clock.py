"""Waiting is bounded and says what it waited for; dice repeat."""

import asyncio

import pytest

from harness.clock import WaitTimeout, dice, wait_until


async def test_a_wait_that_runs_out_says_for_what_and_what_it_saw() -> None:
    """The reader of a timeout learns what was awaited and the last trouble."""

    def refuses() -> bool:
        raise ConnectionRefusedError("port 1")

    with pytest.raises(WaitTimeout, match=r"waited 0\.05 s for the backend; last seen: ConnectionRefusedError: port 1"):
        await wait_until(refuses, what="the backend", timeout_s=0.05)


async def test_a_hanging_question_does_not_outlast_the_deadline() -> None:
    """One ask that never answers is cut off by the deadline of the whole wait."""
    with pytest.raises(WaitTimeout):
        await wait_until(asyncio.Event().wait, what="nothing", timeout_s=0.05)


async def test_a_wait_ends_when_the_condition_holds() -> None:
    """Sync and async conditions are both asked until they hold."""
    asked = iter([False, False, True])
    await wait_until(lambda: next(asked), what="the third ask", timeout_s=5, interval_s=0)
    assert list(asked) == []
    late = iter([False, True])

    async def answered() -> bool:
        return next(late)

    await wait_until(answered, what="the second answer", timeout_s=5, interval_s=0)
    assert list(late) == []


def test_dice_repeat_and_do_not_disturb_each_other() -> None:
    """The same purpose draws the same; another purpose draws something else."""
    assert dice(1, "a").random() == dice(1, "a").random()
    assert dice(1, "a").random() != dice(1, "b").random()


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost() -> None:
    """Ctrl-C at the very moment at which a question is answered ends the wait all the same."""
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait_until(lambda: answer, what="a yes", timeout_s=5))
    await asyncio.sleep(0.01)
    answer.set_result(False)
    waiting.cancel()
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert done, "the wait goes on, as if nobody had cancelled it"
    assert waiting.cancelled()
