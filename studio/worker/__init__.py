"""The one place where torch and TRL are imported on the studio's behalf, always in a process of its own."""
