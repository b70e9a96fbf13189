"""Judgement against history: is this failure new, old, flaky, ours or theirs?"""
