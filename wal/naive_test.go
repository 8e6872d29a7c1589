package wal_test

import (
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/plinth-go/plinth/vfs"
)

// naiveLog is the log as one writes it first: one file that grows, one lock,
// one flush per record. It is correct as far as it goes, and it is what the
// benchmarks measure the real one against. Safe for concurrent use.
type naiveLog struct {
	mu   sync.Mutex
	file vfs.File // guarded by mu, like the rest
	off  int64
	next uint64
	sync bool
}

func openNaive(fs vfs.FS, name string, sync bool) (*naiveLog, error) {
	file, err := fs.Open(name, vfs.Create, "wal")
	return &naiveLog{file: file, next: 1, sync: sync}, err
}

// Append writes length, checksum and data, and flushes.
func (l *naiveLog) Append(data []byte) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := make([]byte, 8, 8+len(data))
	binary.LittleEndian.PutUint32(b, uint32(len(data)))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	if _, err := l.file.WriteAt(append(b, data...), l.off); err != nil {
		return 0, err
	}
	if l.sync {
		if err := l.file.Sync(); err != nil {
			return 0, err
		}
	}
	l.off += int64(8 + len(data))
	l.next++
	return l.next - 1, nil
}

func (l *naiveLog) Close() error { return l.file.Close() }
