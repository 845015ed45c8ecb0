"""The commands for boards: `listing` prints what there is, `building` makes a bitstream, `urls`
has the URLs that other commands take."""
