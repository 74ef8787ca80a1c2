"""Methods about forms, capture settings and tracked links. What the public reaches stands in `springhead.capture`."""
