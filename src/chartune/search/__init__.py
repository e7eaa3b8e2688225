"""Search: settings chosen by a score on the validation split, trial by trial, under one budget.

    space ─point─▶ settings ─evaluate─▶ score ─▶ journal ─history─▶ the next point

What is evaluated is a function that it gets: it knows no stages, no runs and no patients. optuna is the optional extra
`search`; it is imported inside functions, because that takes half a second.
"""
