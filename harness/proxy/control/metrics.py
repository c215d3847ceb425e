"""Prometheus metrics: bytes as they flow, connections open and ever opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from harness.proxy.proxy import Proxy, Traffic
from harness.proxy.server import Server

LABELS = ("direction", "proxy", "listener", "upstream")
PLACE = ("proxy", "listener", "upstream")


def metrics_page(server: Server, *, proxies: bool, runtime: bool) -> Callable[[], bytes]:
    """Makes the page; to be called in the data plane's thread, whose figures it reads."""
    registry = CollectorRegistry()
    if proxies:
        registry.register(_Proxies(server))
    if runtime:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
    return lambda: generate_latest(registry)


class _Proxies(Collector):
    def __init__(self, server: Server) -> None:
        self._server = server

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        received = CounterMetricFamily("toxiproxy_proxy_received_bytes", "Bytes read from the source.", labels=LABELS)
        sent = CounterMetricFamily("toxiproxy_proxy_sent_bytes", "Bytes the target took.", labels=LABELS)
        total = CounterMetricFamily("toxiproxy_proxy_connections", "Connections accepted.", labels=PLACE)
        opened = GaugeMetricFamily("toxiproxy_proxy_open_connections", "Connections open now.", labels=PLACE)
        for proxy in self._server.proxies.values():
            for (listener, upstream), traffic in _until_now(proxy).items():
                place = (proxy.name, listener, upstream)
                received.add_metric(("upstream", *place), traffic.received_up)
                received.add_metric(("downstream", *place), traffic.received_down)
                sent.add_metric(("upstream", *place), traffic.sent_up)
                sent.add_metric(("downstream", *place), traffic.sent_down)
                total.add_metric(place, traffic.connections)
            opened.add_metric((proxy.name, proxy.listen, proxy.upstream), len(proxy.connections))
        return received, sent, total, opened


def _until_now(proxy: Proxy) -> dict[tuple[str, str], Traffic]:
    """Closed connections and open ones together: counters that move while bytes do."""
    totals = {where: Traffic(*_figures(traffic)) for where, traffic in proxy.traffic.items()}
    current = totals.setdefault(proxy.where, Traffic())
    for connection in proxy.connections.values():
        current.add(connection)
    return totals


def _figures(traffic: Traffic) -> tuple[int, int, int, int, int]:
    return (
        traffic.received_up,
        traffic.sent_up,
        traffic.received_down,
        traffic.sent_down,
        traffic.connections,
    )
