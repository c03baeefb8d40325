"""The case of `racegate-bench tune` in Optuna: NSGA-II and TPE, each with the same exact costs."""

import json
import math
import time

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
CALLS, DELAY, ABANDONED, OPTIMUM = 8.0, 20.0, 1e-3, 126.5753
MEDIAN, SIGMA = 5.0, 1.0


def normal_above(z):
    return 0.5 * math.erfc(z / math.sqrt(2))


def survival(t):
    return normal_above(math.log(t / MEDIAN) / SIGMA)


def cost(first, gap, multiplier, cap, attempts):
    at, waiting, calls, elapsed = first, 1.0, 0.0, 0.0
    for k in range(attempts):
        beyond = survival(at)
        calls += waiting
        elapsed += at * (waiting - beyond)
        waiting = beyond
        if k + 1 < attempts:
            at += min(gap, cap)
            gap = min(gap * multiplier, cap)
    z = math.log(at / MEDIAN) / SIGMA - SIGMA
    reached = MEDIAN * math.exp(SIGMA**2 / 2) * normal_above(-z)
    return calls, (elapsed - reached) / (1 - waiting), waiting


def hypervolume(points):
    area, height = 0.0, DELAY
    for calls, delay in sorted(p for p in points if p[0] < CALLS and p[1] < DELAY):
        if delay < height:
            area += (CALLS - calls) * (height - delay)
            height = delay
    return area / OPTIMUM


def run(name, sampler, evaluations):
    kept = []

    def objective(trial):
        calls, delay, abandoned = cost(
            trial.suggest_float("first", 0.1, 40, log=True),
            trial.suggest_float("gap", 0.1, 40, log=True),
            trial.suggest_float("multiplier", 1.0, 3.0),
            trial.suggest_float("cap", 0.5, 200, log=True),
            trial.suggest_int("attempts", 1, 100, log=True),
        )
        if abandoned <= ABANDONED:
            kept.append((calls, delay))
            return calls, delay
        penalty = 1 + math.log10(abandoned / ABANDONED)
        return CALLS * penalty, DELAY * penalty

    start = time.perf_counter()
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=evaluations)
    return {
        "sampler": name,
        "evaluations": evaluations,
        "hypervolume": hypervolume(kept),
        "ms": (time.perf_counter() - start) * 1e3,
    }


rows = [run("NSGA-II", optuna.samplers.NSGAIISampler(seed=1), n) for n in (400, 1000, 4000)]
rows += [run("TPE", optuna.samplers.TPESampler(seed=1), n) for n in (100, 400)]
print(json.dumps(rows))
