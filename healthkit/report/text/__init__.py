"""The words of reports, panels and commands: figures, labels and sentences; the one place to translate.

Functions take plain values and return text. Rates are counted exactly and formatted last: a formatted rate is always on
the same side of its target as the exact one. A sentence with emphasis is a tuple of strings; `Strong` ones are bold.
"""
