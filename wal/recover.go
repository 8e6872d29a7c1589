package wal

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plinth-go/plinth/vfs"
)

// image is what a log's directory holds. Loading one changes nothing, so that
// a log that turns out to be corrupt stays as it was found; repair then
// makes the directory agree with the image.
//
// Recovery in short, for the frames of each segment in order:
//
//	the frame is intact and follows the one before     take it
//	the segment ends with a seal                       go on with the next
//	anything else, in a segment that has a successor   corrupt; but see unfinished
//	anything else, in the last one, and a later frame
//	  knows that these bytes were on disk              corrupt
//	anything else, in the last one                     the log ends here; erase the rest
//	a batch without its last record at the end         the log ends before it; erase it
type image struct {
	log      uint64
	segments []*segment // numbers without gaps
	bounds   bounds
	extents  extents

	// the end of the last segment
	end      int64  // the next frame goes here
	prev     uint32 // crc of the frame before
	eraseEnd int64  // bytes from end to here are to become zero
	fileSize int64
	marked   bool // the last frame is a mark that changed nothing

	tornTails, tornBytes uint64

	free     []string // retired files
	leftover []string // files to remove
}

func (im *image) last() *segment { return im.segments[len(im.segments)-1] }

func (im *image) close() {
	for _, s := range im.segments {
		s.file.Close()
	}
}

// loadImage reads the log in dir. Opened for writing, the directory and the end
// of the log are synced before they are believed: after a crash of the process
// alone, the operating system may show what never reached the disk.
func loadImage(fs vfs.FS, dir string, mode vfs.Mode) (*image, error) {
	im := &image{bounds: bounds{1, 1}}
	if err := im.load(fs, dir, mode); err != nil {
		im.close()
		return nil, err
	}
	return im, nil
}

func (im *image) load(fs vfs.FS, dir string, mode vfs.Mode) error {
	if mode == vfs.ReadWrite {
		if err := fs.SyncDir(dir); err != nil {
			return fmt.Errorf("wal: sync %s before reading it: %w", dir, err)
		}
	}
	ids, err := im.list(fs, dir)
	if err != nil || len(ids) == 0 {
		return err
	}
	for i, id := range ids {
		s, log, err := openSegment(fs, dir, id, mode)
		if err != nil {
			return err
		}
		im.segments = append(im.segments, s)
		if i == 0 {
			im.log, im.bounds = log, s.start
		}
		if log != im.log {
			return fmt.Errorf("%w: %s belongs to another log", ErrCorrupt, s.name)
		}
		if i >= len(ids)-2 && mode == vfs.ReadWrite {
			if err := s.file.Sync(); err != nil {
				return fmt.Errorf("wal: sync %s before reading it: %w", s.name, err)
			}
		}
	}
	for i := 0; i < len(im.segments); i++ {
		if err := im.scan(i); err != nil {
			return err
		}
	}
	b := im.bounds
	if b.first < b.next && im.extents.find(b.first) == nil {
		return fmt.Errorf("%w: %s: records from %d on are missing, the first segment begins with %d",
			ErrCorrupt, dir, b.first, im.segments[0].start.next)
	}
	return nil
}

// list sorts the files of dir by what they are. It returns the numbers of the
// segments that belong together: those up to the highest, without gaps. What
// lies before a gap was retired when a crash came, or else the records that
// follow it are missing, which loadImage notices.
func (im *image) list(fs vfs.FS, dir string) ([]uint64, error) {
	entries, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", dir, err)
	}
	var ids []uint64
	for _, e := range entries {
		id, suffix, ok := parseName(e.Name)
		switch {
		case e.Name == lockName || e.Dir || strings.HasPrefix(e.Name, "."):
		case !ok:
			return nil, fmt.Errorf("%w: %s holds %q", ErrFormat, dir, e.Name)
		case suffix == suffixLive:
			ids = append(ids, id)
		case suffix == suffixFree:
			im.free = append(im.free, e.Name)
		default:
			im.leftover = append(im.leftover, e.Name)
		}
	}
	slices.Sort(ids)
	start := len(ids) - 1
	for start > 0 && ids[start-1]+1 == ids[start] {
		start--
	}
	for i := range max(start, 0) {
		im.leftover = append(im.leftover, segmentName(ids[i], suffixLive))
	}
	return ids[max(start, 0):], nil
}

// scan takes the frames of segment i.
func (im *image) scan(i int) error {
	s := im.segments[i]
	if s.start != im.bounds {
		return corrupt(s.name, 0, fmt.Errorf("segment begins with records %d to %d, the one before ended with %d to %d",
			s.start.first, s.start.next-1, im.bounds.first, im.bounds.next-1))
	}
	size, err := s.file.Size()
	if err != nil {
		return fmt.Errorf("wal: %s: %w", s.name, err)
	}
	r := newScanner(s, size)
	batch, end, sealed, err := im.take(s, r)
	switch {
	case errors.Is(err, errScan) || errors.Is(err, ErrCorrupt):
		return err
	case sealed && i == len(im.segments)-1:
		return corrupt(s.name, end, errors.New("the segment that follows is missing"))
	case sealed:
		return nil
	case i < len(im.segments)-1:
		unfinished, err2 := im.unfinished(i + 1)
		if err2 != nil {
			return err2
		}
		if !unfinished {
			return corrupt(s.name, end, err)
		}
		im.drop()
	}
	return im.endAt(r, batch, end, err)
}

// place is where a segment may end.
type place struct {
	off   int64
	prev  uint32
	index uint64
}

// take applies frames until one is no good (err says why, end where) or seals
// the segment. batch is where the last complete batch ends.
func (im *image) take(s *segment, r *scanner) (batch place, end int64, sealed bool, err error) {
	batch = place{r.off, r.prev, im.bounds.next}
	im.marked = false
	for {
		off := r.off
		f, err := r.next()
		if err != nil {
			return batch, off, false, err
		}
		switch f.kind {
		case kindRecord, kindMore:
			if f.index != im.bounds.next {
				return batch, off, false, corrupt(s.name, off, fmt.Errorf("record %d where %d is due", f.index, im.bounds.next))
			}
			im.extents.add(s, f.index, off)
			im.bounds.next++
			im.marked = false
		case kindMark, kindSeal:
			to := f.mark()
			jump := to.next > im.bounds.next && to.first != to.next
			if batch.off != off || to.first < im.bounds.first || to.first > to.next || jump {
				return batch, off, false, corrupt(s.name, off, fmt.Errorf("mark %d to %d out of place", to.first, to.next))
			}
			im.marked = f.kind == kindMark && to == im.bounds
			im.extents.cutBack(to.next)
			im.bounds = to
		}
		s.end = r.off
		if f.kind == kindSeal {
			return batch, off, true, nil
		}
		if f.kind != kindMore {
			batch = place{r.off, r.prev, im.bounds.next}
		}
	}
}

// unfinished reports whether segment i is the last and has no frame: then it
// was just made when a crash came, and the one before is still the log's end.
func (im *image) unfinished(i int) (bool, error) {
	if i != len(im.segments)-1 {
		return false, nil
	}
	s := im.segments[i]
	size, err := s.file.Size()
	if err != nil {
		return false, fmt.Errorf("wal: %s: %w", s.name, err)
	}
	_, err = newScanner(s, size).next()
	if errors.Is(err, errScan) {
		return false, err
	}
	return err != nil, nil
}

// drop takes the last segment out of the image.
func (im *image) drop() {
	s := im.last()
	s.file.Close()
	im.leftover = append(im.leftover, filepath.Base(s.name))
	im.segments = im.segments[:len(im.segments)-1]
}

// endAt ends the log in the last segment, at the last complete batch, because
// of what is wrong at off; unless a later frame proves that off was on disk.
func (im *image) endAt(r *scanner, batch place, off int64, why error) error {
	s := im.last()
	witness, err := r.proof(off)
	if err != nil {
		return err
	}
	if witness != 0 {
		return corrupt(s.name, off, fmt.Errorf("%w, and the frame at offset %d was written when this was on disk", why, witness))
	}
	if im.eraseEnd, err = r.lastByte(batch.off); err != nil {
		return err
	}
	if batch.off < off || why != errNoFrame {
		im.tornTails, im.tornBytes = 1, uint64(max(im.eraseEnd, off)-batch.off)
		im.marked = im.marked && batch.off == off
	}
	im.extents.cutBack(batch.index)
	im.bounds.next = batch.index
	im.end, im.prev, im.fileSize = batch.off, batch.prev, r.win.size
	s.end = batch.off
	return nil
}

// repair erases what lies behind the end, durably and before anything new is
// written, and removes files that belong to nothing. Without the erasing, a
// record that was discarded now could follow a new one after the next crash.
func (im *image) repair(fs vfs.FS, dir string) error {
	if len(im.segments) > 0 && im.eraseEnd > im.end {
		file, zeros := im.last().file, make([]byte, min(im.eraseEnd-im.end, windowSize))
		for off := im.end; off < im.eraseEnd; off += int64(len(zeros)) {
			if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), im.eraseEnd-off)], off); err != nil {
				return fmt.Errorf("wal: erase the torn end of %s: %w", im.last().name, err)
			}
		}
		if err := file.Sync(); err != nil {
			return fmt.Errorf("wal: erase the torn end of %s: %w", im.last().name, err)
		}
	}
	for _, name := range im.leftover {
		if err := fs.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("wal: remove leftover: %w", err)
		}
	}
	if len(im.leftover) > 0 {
		if err := fs.SyncDir(dir); err != nil {
			return fmt.Errorf("wal: remove leftovers: %w", err)
		}
	}
	return nil
}

// begin makes the first segment of a new log.
func (im *image) begin(fs vfs.FS, dir string) error {
	if len(im.segments) > 0 {
		return nil
	}
	im.log = rand.Uint64()
	s, err := createSegment(fs, dir, im.log, 1, im.bounds, "")
	if err != nil {
		return err
	}
	im.segments = []*segment{s}
	im.end, im.prev, im.fileSize = segmentHeader, s.seed, segmentHeader
	return nil
}

// Verify reads the whole log in dir and checks every record, without changing
// anything. It returns nil if Open would succeed: a torn end is no damage. The
// log must not be open: ErrLocked.
func Verify(dir string, o Options) error {
	return withImage(dir, o, func(*image) {})
}

// Records returns the records of the log in dir from the first to the last that
// Open would find there, without changing anything. The last pair carries the error
// that ended the iteration, if one did. The log must not be open: ErrLocked.
func Records(dir string, o Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		more := true
		err := withImage(dir, o, func(im *image) {
			all := progress{next: im.bounds.next}
			l := &Log{o: o, bounds: im.bounds, extents: im.extents, encoded: all, written: all, synced: all}
			l.extents.dropFront(l.bounds.first)
			for r, err := range l.All(0) {
				if more = yield(r, err) && err == nil; !more {
					return
				}
			}
		})
		if err != nil && more {
			yield(Record{}, err)
		}
	}
}

// Bounds returns the index of the first record of the log in dir and the one that comes
// next, without changing anything. The log must not be open: ErrLocked.
func Bounds(dir string, o Options) (first, next uint64, err error) {
	err = withImage(dir, o, func(im *image) { first, next = im.bounds.first, im.bounds.next })
	return first, next, err
}

// withImage loads the log in dir for reading only, and keeps others from opening it
// until look is done.
func withImage(dir string, o Options, look func(*image)) (err error) {
	o, err = o.withDefaults()
	if err != nil {
		return err
	}
	if _, err := o.FS.List(dir); err != nil {
		return fmt.Errorf("wal: read %s: %w", dir, err)
	}
	lock, err := lockDir(o.FS, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	im, err := loadImage(o.FS, dir, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer im.close()
	look(im)
	return nil
}
