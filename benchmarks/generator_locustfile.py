"""The same load by plain Locust: ends after LIMIT requests. USER is `fast` or `http`; PACE requests/s for each user."""

from __future__ import annotations

import itertools
import os

from locust import FastHttpUser, HttpUser, constant, constant_throughput, task

LIMIT = int(os.environ["LIMIT"])
PACE = float(os.environ.get("PACE", "0"))
numbers = itertools.count(1)


class Asking(FastHttpUser if os.environ["USER_CLASS"] == "fast" else HttpUser):  # type: ignore[misc]
    wait_time = constant_throughput(PACE) if PACE else constant(0)

    @task
    def write(self) -> None:
        number = next(numbers)
        if number > LIMIT:
            # Locust can't stop at a number; its way out takes seconds that are no cost of a request.
            os._exit(0)
        body = {"email": f"t{number}@tenants.example.com", "value": f"canary-{number}"}
        self.client.post("/write/one", json=body, name="write")
