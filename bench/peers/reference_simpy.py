"""The bench's reference model in SimPy: the same laws, gate and limits, its own draws.

Prints recordings per second of processor time and the mean delay from session end to export, which
must agree with ours. Usage: python reference_simpy.py [RECORDINGS]
"""

import random
import sys
import time

import simpy


def session(env, workers, delays, rng):
    ended_at = env.now
    media_at = ended_at + rng.lognormvariate(0.0, 0.8)
    ready = env.process(metadata(env, workers, rng))
    yield env.timeout(media_at - env.now)
    for attempt in range(8):
        if ready.processed:
            delays.append(env.now - ended_at)
            return
        gap = min(30.0, 2.0**attempt)
        yield env.timeout(gap / 2 + rng.random() * gap / 2)


def metadata(env, workers, rng):
    with workers.request() as turn:
        yield turn
        yield env.timeout(rng.lognormvariate(-3.4957322735539909, 1.0))
    yield env.timeout(rng.expovariate(0.5))


def arrivals(env, workers, delays, rng, count):
    for _ in range(count):
        yield env.timeout(rng.expovariate(1000.0))
        env.process(session(env, workers, delays, rng))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rng = random.Random(7)
    env = simpy.Environment()
    workers = simpy.Resource(env, capacity=64)
    delays = []
    begun = time.process_time()
    env.process(arrivals(env, workers, delays, rng, count))
    env.run()
    took = time.process_time() - begun
    print(f"{count / took:.0f} {sum(delays) / len(delays):.4f}")


main()
