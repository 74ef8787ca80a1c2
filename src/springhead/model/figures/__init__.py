"""Figures about many leads, and the rules of histograms."""
