"""Work outside of calls: the runner that restarts every job that dies, and the jobs that need only the store.

Page views (`capture`) and pushes (`delivery`) are jobs of the same runner. `app.py` lists all jobs.
"""
