import asyncio

from server.dialogue.scheduler import AMBIENT, PLAYER, Scheduler


async def test_one_turn_at_a_time_for_each_npc_and_higher_priority_first() -> None:
    scheduler, order = Scheduler(), []
    release = asyncio.Event()

    async def turn(name: str, priority: int, wait: bool = False) -> None:
        async with scheduler.slot("w", "hilda", priority):
            order.append(name)
            if wait:
                await release.wait()

    first = asyncio.create_task(turn("first", AMBIENT, wait=True))
    await asyncio.sleep(0)
    others = [
        asyncio.create_task(turn(name, priority)) for name, priority in (("ambient", AMBIENT), ("player", PLAYER))
    ]
    await asyncio.sleep(0)
    assert order == ["first"]
    release.set()
    await asyncio.gather(first, *others)
    assert order == ["first", "player", "ambient"]


async def test_other_npcs_and_other_worlds_do_not_wait() -> None:
    scheduler = Scheduler()
    slots = [scheduler.slot(world, npc, PLAYER) for world, npc in (("w", "hilda"), ("w", "ansel"), ("v", "hilda"))]
    async with asyncio.timeout(1), slots[0], slots[1], slots[2]:
        pass


async def test_a_cancelled_waiter_does_not_keep_the_voice() -> None:
    scheduler = Scheduler()

    async def wait() -> None:
        async with scheduler.slot("w", "hilda", PLAYER):
            pass

    async with scheduler.slot("w", "hilda", PLAYER):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
    waiting.cancel()  # the voice was just handed to it
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), scheduler.slot("w", "hilda", PLAYER):
        pass
