//! Advisory locks on files, fair inside the process and shared with other processes.
