package wal

import (
	"fmt"

	"github.com/plinth-go/plinth/vfs"
)

// tail is the writing end of the last segment. It belongs to the leader: the
// one goroutine that commits at a time (commit.go). Nobody else touches it,
// with Log.mu or without.
type tail struct {
	seg    *segment
	off    int64  // the next frame goes here
	prev   uint32 // crc of the frame before off
	synced int64  // on disk up to here
	filled int64  // the file's length, zero or stale bytes from off on
	marked bool   // the last frame is a mark that changed nothing, as Close leaves it

	limit int64    // fill no further
	fill  vfs.File // a second handle, so that zero bytes are counted apart; nil until needed
	zeros []byte
}

// fillChunk is how far ahead of the records a synced log writes zero bytes.
//
// Syncing a write that makes the file longer also commits the new length to
// the file system's journal; into space that is already there it is one device
// write. With 10 KiB records, chunks of 256 KiB to 1 MiB halved the time of a
// synced append, larger ones gained nothing: BenchmarkAppend/impl=naive shows
// the growing file. The chunk rides along with a sync that is due anyway.
const fillChunk = 512 << 10

// write puts the frames in b at the end and syncs, if asked to. It may use b's
// spare capacity.
func (t *tail) write(fs vfs.FS, b []byte, sync, ahead bool) error {
	if len(b) > 0 {
		t.prev = sealFrames(b, t.seg.seed, t.off, t.prev, t.synced)
		n := int64(len(b))
		if t.seg.recycled {
			// What follows is left from the file's earlier life. A header of
			// zero bytes marks the end, so that recovery does not take the
			// old bytes for a torn write.
			b = append(b, make([]byte, frameHeader)...)
		}
		if _, err := t.seg.file.WriteAt(b, t.off); err != nil {
			return fmt.Errorf("at offset %d: %w", t.off, err)
		}
		t.off += n
	}
	if !sync || t.synced == t.off {
		return nil
	}
	if ahead && t.off > t.filled {
		if err := t.fillAhead(fs); err != nil {
			return fmt.Errorf("filling ahead from offset %d: %w", t.off, err)
		}
	}
	if err := t.seg.file.Sync(); err != nil {
		return err
	}
	t.synced = t.off
	return nil
}

// fillAhead writes zero bytes behind the records just written; the sync that
// follows covers both.
func (t *tail) fillAhead(fs vfs.FS) error {
	n := min(fillChunk, t.limit-t.off)
	if n <= 0 {
		return nil
	}
	if t.fill == nil {
		file, err := fs.Open(t.seg.name, vfs.ReadWrite, CategoryFill)
		if err != nil {
			return err
		}
		t.fill = file
	}
	if t.zeros == nil {
		t.zeros = make([]byte, fillChunk)
	}
	if _, err := t.fill.WriteAt(t.zeros[:n], t.off); err != nil {
		return err
	}
	t.filled = t.off + n
	return nil
}

// close closes the filling handle; the segment's own stays open for readers.
func (t *tail) close() error {
	if t.fill == nil {
		return nil
	}
	err := t.fill.Close()
	t.fill = nil
	return err
}
