"""Client libraries that nobody here wrote, each in a process of its own, told what to do."""
