"""The tabs, a file each: `TITLE`, `ID`, and `build(page)`."""
