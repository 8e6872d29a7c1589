package machine

import (
	"os"
	"path/filepath"
	"strings"
)

// FileSystem returns the type of the file system that holds dir, "ext4" for
// one, or "" where it cannot be found: it asks /proc, which is Linux's.
func FileSystem(dir string) string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return fileSystemIn(string(table), dir)
}

// fileSystemIn finds the mount point that dir lies under: the longest, and of
// equal ones the last, which hides the others. A line of the table:
//
//	36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda1 rw
//
// The number of fields before the dash varies.
func fileSystemIn(table, dir string) string {
	best, kind := -1, ""
	for line := range strings.Lines(table) {
		before, after, ok := strings.Cut(line, " - ")
		fields, types := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(types) < 1 {
			continue
		}
		point := unescape(fields[4])
		under := point == "/" || dir == point || strings.HasPrefix(dir, point+"/")
		if under && len(point) >= best {
			best, kind = len(point), types[0]
		}
	}
	return kind
}

// unescape undoes the octal escapes of the kernel's tables.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
