"""All texts of reports, panels and commands: figures, labels and sentences. This is the package to translate.

Functions take plain values and return text. Rates are counted exactly and formatted last, so a formatted rate is always
on the same side of its target as the exact one. A sentence with emphasis is a tuple of strings; `Strong` ones are bold.
"""
