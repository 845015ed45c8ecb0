"""The commands for boards: `listing` prints what there is, `building` makes a bitstream, `filling`
the one of the largest core, `scripting` a project for a vendor's tools; `results` prints and writes
what they give, `loading` loads it. `urls` has the URLs that other commands take."""
