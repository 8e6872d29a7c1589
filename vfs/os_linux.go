package vfs

import (
	"os"
	"syscall"
)

// syncFile uses fdatasync: it writes the bytes and the length, but not the time
// of the last change, which on a journalling file system costs a second write.
func syncFile(_ *os.File, fd uintptr) error {
	for {
		if err := syscall.Fdatasync(int(fd)); err != syscall.EINTR {
			return err
		}
	}
}
