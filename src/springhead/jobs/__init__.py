"""Work beside the calls: the runner that keeps every job alive, and the jobs that need nothing but the store.

Page views (`capture`) and pushes (`delivery`) are jobs of the same runner. `app.py` lists all of them.
"""
