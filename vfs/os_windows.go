package vfs

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

func syncFile(f *os.File, _ uintptr) error { return f.Sync() }

// syncDir does nothing: Windows has no such call, and NTFS journals names itself.
func syncDir(string) error { return nil }

// errorSharingViolation is what CreateFile says of a file that somebody has
// opened without sharing it.
const errorSharingViolation syscall.Errno = 32

// lock opens the file with share mode 0: nobody else can open it until we close it.
func lock(name string) (io.Closer, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	h, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err == errorSharingViolation {
		err = ErrLocked
	}
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}
