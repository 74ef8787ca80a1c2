"""The subcommands of `springhead`, one file each, imported when they are used."""
