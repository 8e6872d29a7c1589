//go:build linux || darwin

package machine

import "syscall"

// FreeSpace returns how many bytes a user may still write in dir; ok is false
// where that cannot be found.
func FreeSpace(dir string) (bytes uint64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), true
}
