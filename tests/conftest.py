"""What all tests share: no test asserts on time, so none that draws its examples does either."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
