// The script of every page.
import "htmx.org"
