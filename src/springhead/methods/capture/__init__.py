"""Methods about forms, capture settings and tracked links. The public addresses are served by `springhead.capture`."""
