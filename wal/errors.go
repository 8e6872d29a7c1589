package wal

import (
	"errors"
	"fmt"
)

// The errors of this package, for errors.Is. What is returned wraps one of
// them and says where: the file and the offset, the index, the cause.
var (
	ErrClosed   = errors.New("wal: log is closed")
	ErrFailed   = errors.New("wal: log has failed and takes no more writes; reopen it")
	ErrCorrupt  = errors.New("wal: corrupt")
	ErrNotFound = errors.New("wal: no such record")
	ErrTooLarge = errors.New("wal: too large for a segment")
	ErrLocked   = errors.New("wal: log is open elsewhere")
	ErrFormat   = errors.New("wal: not a log of this format")
)

// corrupt says what is wrong where.
func corrupt(file string, off int64, why error) error {
	return fmt.Errorf("%w: %s at offset %d: %w", ErrCorrupt, file, off, why)
}
