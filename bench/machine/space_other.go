//go:build !linux && !darwin

package machine

// FreeSpace returns how many bytes a user may still write in dir; ok is false
// where that cannot be found, as here.
func FreeSpace(string) (bytes uint64, ok bool) { return 0, false }
