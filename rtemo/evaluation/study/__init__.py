"""The study: experiments as tasks, run anywhere, kept in a table, told in a report."""
