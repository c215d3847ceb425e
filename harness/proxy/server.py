"""All proxies of a server and what can be asked of them; each call is whole or not at all.

Everything here runs in the data plane's thread, as one call between two rounds of its loop.
"""

from __future__ import annotations

from harness.proxy.control.decode import ProxyWish, ToxicWish, changed_toxic
from harness.proxy.faults import Fault, proxy_exists, proxy_not_found, system
from harness.proxy.ledger import Seen, seen_of
from harness.proxy.plane.live_toxic import LiveToxic
from harness.proxy.proxy import Plane, Proxy


class Server:
    """Wishes come in with their `place`: `listen` with a numeric host."""

    def __init__(self, plane: Plane, origin_ns: int) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._plane = plane
        self._origin_ns = origin_ns

    def proxy(self, name: str) -> Proxy:
        if name not in self.proxies:
            raise proxy_not_found()
        return self.proxies[name]

    def create(self, wish: ProxyWish) -> Proxy:
        if wish.name in self.proxies:
            raise proxy_exists()
        return self._put(wish)

    def update(self, name: str, wish: ProxyWish) -> Proxy:
        proxy = self.proxy(name)
        proxy.update(
            listen=wish.listen or proxy.listen,
            place=wish.place or proxy.place,
            upstream=proxy.upstream if wish.upstream is None else wish.upstream,
            enabled=proxy.enabled if wish.enabled is None else wish.enabled,
        )
        return proxy

    def delete(self, name: str) -> None:
        self.proxy(name).disable()
        del self.proxies[name]

    def populate(self, wishes: list[ProxyWish]) -> tuple[list[Proxy], Fault | None]:
        """In order, until one fails; those before it stay and are told."""
        done: list[Proxy] = []
        for wish in wishes:
            try:
                done.append(self._create_or_replace(wish))
            except Fault as fault:
                return done, fault
        return done, None

    def reset(self) -> None:
        """Enable every proxy and drop all toxics; those that can't be enabled don't keep it from the others."""
        faults = []
        for proxy in self.proxies.values():
            proxy.remove_toxics()
            try:
                proxy.enable()
            except Fault as fault:
                faults.append(f"{proxy.name}: {fault.message}")
        if faults:
            raise system("; ".join(faults))

    def add_toxic(self, name: str, wish: ToxicWish) -> LiveToxic:
        toxic = LiveToxic(wish.name, wish.direction, wish.behaviour, wish.toxicity)
        self.proxy(name).add_toxic(toxic)
        return toxic

    def update_toxic(self, name: str, toxic_name: str, raw: bytes) -> LiveToxic:
        """Nothing changes unless all of the update is valid."""
        proxy = self.proxy(name)
        toxic = proxy.toxic(toxic_name)
        compat = self._plane.settings.compat
        behaviour, toxicity = changed_toxic(raw, toxic.behaviour, toxic.toxicity, compat=compat)
        proxy.update_toxic(toxic, behaviour, toxicity)
        return toxic

    def connections(self, name: str) -> list[Seen]:
        return [seen_of(connection, self._origin_ns) for connection in self.proxy(name).connections.values()]

    def close(self) -> None:
        for proxy in self.proxies.values():
            proxy.disable()

    def _create_or_replace(self, wish: ProxyWish) -> Proxy:
        existing = self.proxies.get(wish.name or "")
        if existing is None:
            return self._put(wish)
        if (existing.place, existing.upstream) == (wish.place, wish.upstream):
            return existing
        was_enabled = existing.enabled
        existing.disable()
        try:
            return self._put(wish)
        except Fault:
            if was_enabled:
                existing.enable()
            raise

    def _put(self, wish: ProxyWish) -> Proxy:
        assert wish.name and wish.place and wish.upstream
        proxy = Proxy(self._plane, wish.name, wish.listen or wish.place, wish.place, wish.upstream)
        if wish.enabled is not False:
            proxy.enable()
        self.proxies[proxy.name] = proxy
        return proxy
