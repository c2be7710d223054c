#!/usr/bin/env python3
"""Writes goldens/optimizers.txt: what PyTorch's optimizers, averages and schedules make of given gradients.

    python3 optimizers.py > optimizers.txt

The tests read that file and need no Python. It is a list of "name count" and that many numbers. All are computed in
double. LAMB, which PyTorch has not, is written here from Algorithm 2 of You et al. (2020).

    start          33 weights: table [6, 3], weight [3, 4], bias [3]
    gradients      100 steps of 33
    optimizer.NAME the weights (or their average) after steps 1, 10 and 100
    schedule.NAME  the rates of steps 0 to 99 where the largest is 1 (of one_cycle_momentum: the momentum)
    gains          of relu, leaky relu with slope 0.2, tanh, linear
    fans           fan in and fan out of [30, 20, 5] and of [7, 11]
"""
import math
import random

import torch

torch.set_default_dtype(torch.float64)
STEPS = 100
KEPT = (1, 10, 100)  # the steps after which weights are written
SHAPES = {"table": (6, 3), "weight": (3, 4), "bias": (3,)}


def draw():
    """Weights and gradients that float holds exactly. A step touches two rows of the table; row 5 is never touched."""
    rng = random.Random(7)
    number = lambda: round(rng.gauss(0, 1) * 64) / 64
    fill = lambda shape: torch.tensor([number() for _ in range(math.prod(shape))]).reshape(shape)
    weights = {name: fill(shape) for name, shape in SHAPES.items()}
    gradients = []
    for _ in range(STEPS):
        g = {name: fill(shape) for name, shape in SHAPES.items()}
        touched = rng.sample(range(5), 2)
        g["table"] = torch.stack([row if r in touched else torch.zeros(3) for r, row in enumerate(g["table"])])
        gradients.append(g)
    return weights, gradients


WEIGHTS, GRADIENTS = draw()


def flat(tensors):
    return torch.cat([tensors[name].detach().flatten() for name in SHAPES])


class Lamb:
    """Algorithm 2 of You et al. (2020); the function phi is the identity, each tensor is a layer."""

    def __init__(self, parameters, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        self.parameters, self.lr, self.betas, self.eps, self.decay = list(parameters), lr, betas, eps, weight_decay
        self.m = [torch.zeros_like(x) for x in self.parameters]
        self.v = [torch.zeros_like(x) for x in self.parameters]
        self.t = 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        beta1, beta2 = self.betas
        for x, m, v in zip(self.parameters, self.m, self.v):
            m.copy_(beta1 * m + (1 - beta1) * x.grad)
            v.copy_(beta2 * v + (1 - beta2) * x.grad**2)
            r = (m / (1 - beta1**self.t)) / ((v / (1 - beta2**self.t)).sqrt() + self.eps)
            update = r + self.decay * x
            x -= self.lr * x.norm() / update.norm() * update


def train(make, before_step=None, after_step=None):
    """The flat weights after the kept steps, or whatever `after_step` gives in their place."""
    parameters = {name: torch.nn.Parameter(w.clone()) for name, w in WEIGHTS.items()}
    optimizer = make(parameters.values())
    kept = []
    for t in range(STEPS):
        for name, p in parameters.items():
            p.grad = GRADIENTS[t][name].clone()
        if before_step:
            before_step(parameters.values())
        optimizer.step()
        result = after_step(optimizer, parameters) if after_step else parameters
        if t + 1 in KEPT:
            kept += flat(result).tolist()
    return kept


class Holder(torch.nn.Module):
    def __init__(self, parameters):
        super().__init__()
        self.all = torch.nn.ParameterDict(parameters)


def averaged(**options):
    """An `after_step` that keeps a torch.optim.swa_utils.AveragedModel and gives its weights."""
    held = {}

    def after(_, parameters):
        if not held:
            held["model"] = Holder(parameters)
            held["average"] = torch.optim.swa_utils.AveragedModel(held["model"], **options)
        held["average"].update_parameters(held["model"])
        return held["average"].module.all

    return after


def warm_ema(decay):
    """TensorFlow's min(decay, (1 + n) / (10 + n)) after n updates; the first update takes the weights as they are."""
    return lambda a, w, n: torch.lerp(a, w, 1 - min(decay, (1 + n) / (10 + n)))


sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW


def one_cycle_momentum():
    held = {}

    def make(parameters):
        optimizer = sgd(parameters, lr=1.0, momentum=0.9)  # the schedule sets both
        held["schedule"] = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=STEPS + 1)
        return optimizer

    def after(_, parameters):
        held["schedule"].step()
        return parameters

    return train(make, after_step=after)


OPTIMIZERS = {
    "sgd": lambda: train(lambda p: sgd(p, lr=0.05)),
    "sgd_decay": lambda: train(lambda p: sgd(p, lr=0.05, weight_decay=0.1)),
    "momentum": lambda: train(lambda p: sgd(p, lr=0.05, momentum=0.9)),
    "momentum_decay": lambda: train(lambda p: sgd(p, lr=0.05, momentum=0.9, weight_decay=0.1)),
    "dampening": lambda: train(lambda p: sgd(p, lr=0.05, momentum=0.8, dampening=0.25, weight_decay=0.1)),
    "nesterov": lambda: train(lambda p: sgd(p, lr=0.05, momentum=0.9, nesterov=True)),
    "nesterov_decay": lambda: train(lambda p: sgd(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)),
    "one_cycle_momentum": one_cycle_momentum,
    "adam": lambda: train(lambda p: adam(p, lr=0.01)),
    "adam_decay": lambda: train(lambda p: adam(p, lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)),
    "adam_amsgrad": lambda: train(lambda p: adam(p, lr=0.01, betas=(0.9, 0.8), amsgrad=True)),
    "adamw": lambda: train(lambda p: adamw(p, lr=0.01, weight_decay=0.1)),
    "adamw_amsgrad": lambda: train(lambda p: adamw(p, lr=0.01, betas=(0.9, 0.8), weight_decay=0.1, amsgrad=True)),
    "lamb": lambda: train(lambda p: Lamb(p, lr=0.01)),
    "lamb_decay": lambda: train(lambda p: Lamb(p, lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)),
    "clip_norm": lambda: train(lambda p: sgd(p, lr=0.05), lambda p: torch.nn.utils.clip_grad_norm_(p, 4.5)),
    "clip_value": lambda: train(lambda p: sgd(p, lr=0.05), lambda p: torch.nn.utils.clip_grad_value_(p, 0.75)),
    "moving_average": lambda: train(lambda p: sgd(p, lr=0.05), after_step=averaged(
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.95))),
    "warm_moving_average": lambda: train(lambda p: sgd(p, lr=0.05), after_step=averaged(avg_fn=warm_ema(0.95))),
    "equal_average": lambda: train(lambda p: sgd(p, lr=0.05), after_step=averaged()),
}


def rates(make, what="lr"):
    optimizer = sgd([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    schedule, values = make(optimizer), []
    for _ in range(STEPS):
        values.append(optimizer.param_groups[0][what])
        optimizer.step()
        schedule.step()
    return values


lrs = torch.optim.lr_scheduler


def warmed(o, then):
    """Ten steps of warm-up from 1/10, then the schedule `then`."""
    return lrs.SequentialLR(o, [lrs.LinearLR(o, start_factor=0.1, total_iters=9), then], milestones=[10])


# One step more than is written: PyTorch's OneCycleLR refuses to step past its end.
one_cycle_rates = lambda o: lrs.OneCycleLR(o, max_lr=1.0, total_steps=STEPS + 1)
SCHEDULES = {
    "constant": lambda: rates(lambda o: lrs.ConstantLR(o, factor=1.0)),
    "step": lambda: rates(lambda o: lrs.StepLR(o, step_size=30, gamma=0.5)),
    "linear": lambda: rates(lambda o: warmed(o, lrs.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=80))),
    "cosine": lambda: rates(lambda o: lrs.CosineAnnealingLR(o, T_max=100, eta_min=0.01)),
    "cosine_warm": lambda: rates(lambda o: warmed(o, lrs.CosineAnnealingLR(o, T_max=90))),
    "one_cycle": lambda: rates(one_cycle_rates),
    "one_cycle_momentum": lambda: rates(one_cycle_rates, "momentum"),
    "one_cycle_short": lambda: rates(lambda o: lrs.OneCycleLR(
        o, max_lr=1.0, total_steps=STEPS + 1, pct_start=0.1, div_factor=10, final_div_factor=100)),
}


def initial():
    gain, fans = torch.nn.init.calculate_gain, torch.nn.init._calculate_fan_in_and_fan_out
    gains = [gain("relu"), gain("leaky_relu", 0.2), gain("tanh"), gain("linear")]
    return gains, [*fans(torch.empty(30, 20, 5)), *fans(torch.empty(7, 11))]


def write(name, values):
    values = [float(v) for v in values]
    print(name, len(values))
    line = ""
    for text in (repr(v).removesuffix(".0") for v in values):
        if line and len(line) + 1 + len(text) > 120:
            print(line)
            line = ""
        line += " " * bool(line) + text
    print(line)


if __name__ == "__main__":
    write("start", flat(WEIGHTS))
    write("gradients", torch.cat([flat(g) for g in GRADIENTS]))
    for name, run in OPTIMIZERS.items():
        write("optimizer." + name, run())
    for name, run in SCHEDULES.items():
        write("schedule." + name, run())
    gains, fans = initial()
    write("gains", gains)
    write("fans", fans)
