//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package vfs

import "os"

// syncFile leaves it to os.File.Sync, which on macOS asks for F_FULLFSYNC: fsync
// there stops at the drive's volatile cache.
func syncFile(f *os.File, _ uintptr) error { return f.Sync() }
