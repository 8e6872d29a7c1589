//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfs

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	info, err := d.Stat()
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "sync", Path: dir, Err: syscall.ENOTDIR}
	}
	return d.Sync()
}

// lock uses flock, not fcntl: an fcntl lock belongs to the process, so that it
// would not keep out a second user in the same process, and is given back when
// any descriptor of the file is closed.
func lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		return &fileLock{f}, nil
	}
	f.Close()
	if err == syscall.EWOULDBLOCK {
		err = ErrLocked
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
}

// fileLock gives the lock back by name. To close the file is not enough: a
// child process that is just being started holds a copy of the descriptor until
// it executes its program, and with it the lock.
type fileLock struct{ file *os.File }

func (l *fileLock) Close() error {
	unlock := syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
	if err := l.file.Close(); err != nil {
		return err
	}
	if unlock != nil {
		return &fs.PathError{Op: "unlock", Path: l.file.Name(), Err: unlock}
	}
	return nil
}
