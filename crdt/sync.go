package crdt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
)

// Syncer is what two sides of a session need: each says what it has, gets what it lacks, and takes it in. Replica is
// one. It is safe for concurrent use: a session runs beside those who change the value, and beside other sessions.
//
// One whose Delta may return a part of what is lacking has a method More(delta []byte) bool besides, as Replica has,
// which says so of what Delta has returned. When a part has been received, Summary must be another one, or the same part would
// come for ever. Who wraps a Replica embeds the Replica, and not a Syncer, or parts are taken for all there is.
type Syncer interface {
	// Summary returns what this side has, in a form that Delta of the other side understands.
	Summary() []byte
	// Delta returns what a side with this summary lacks, or a part of it, or nothing if it lacks nothing.
	Delta(summary []byte) ([]byte, error)
	// Receive takes in what Delta has returned, all or nothing, as often as it may come.
	Receive(delta []byte) error
}

// parter is a Syncer whose Delta may return a part.
type parter interface {
	More(delta []byte) bool
}

// The errors of a session.
var (
	// ErrProtocol: what comes is not what another session would send.
	ErrProtocol = errors.New("crdt: the peer does not speak the protocol")
	// ErrTooLong: a message that is longer than Session.MaxMessage, here or there.
	ErrTooLong = errors.New("crdt: a message is too long")
)

// Sync is Session.Sync, with a Session that has the defaults.
func Sync(ctx context.Context, rw io.ReadWriter, s Syncer) error { return Session{}.Sync(ctx, rw, s) }

// Session is an anti-entropy session: two sides tell each other what they lack, over anything that carries bytes
// both ways. Both run the same, at the same time:
//
//	this side                        the other side
//	hello, my summary    ────╲ ╱──── hello, my summary
//	                     ◀───╱ ╲───▶
//	what you lack        ────╲ ╱──── what you lack
//	                     ◀───╱ ╲───▶
//	                                 and once more without a hello, as long as one of them
//	                                 had more to say than fits into one message
//
// When it is over, each side has all that the other one had when it began. What is changed meanwhile may go along or
// wait for the next session.
//
// It needs no memory of the last session. When the connection breaks, each message that has arrived whole has been taken
// in, and the next session goes on from there. Errors are of the connection; or say that the other one speaks something else
// (ErrProtocol), or too much (ErrTooLong); or are of the Syncer. The two sides need not
// see the same: who has sent his last message does not know whether it has arrived.
//
// The protocol does not know who the other one is, and its bytes can be read and changed on their way. So give it
// a connection that takes care of that, such as one of package crypto/tls.
//
// It is a plain value: it is safe for concurrent use as long as nobody changes it.
type Session struct {
	// MaxMessage is the longest summary or delta, in bytes, that is sent or taken; 0 is 64 MiB. The other side gets no more
	// memory than that, and only as its bytes arrive; but a Replica that reads a message of nothing but tiny deltas makes
	// 170 times as much of it (TestReplicaMemory). A full state has to fit.
	MaxMessage int
}

const defaultMaxMessage = 64 << 20

// Sync runs one session, and returns when it is over. While it runs it has one goroutine, which writes: rw must be one
// that can be read, written and closed at the same time, as connections and pipes can.
//
// To end it early, ctx is not enough: what hangs is a Read or a Write. So when ctx is done, and whenever there is an error,
// Sync closes rw if that is an io.Closer (a net.Conn is), because nobody could go on in the middle of a message. If it is
// none, then Sync returns no sooner than its Read and its Write do, and the caller has to see to it that they do. After
// a session that ended well rw is open, and nothing has been read that comes after it.
//
// A peer that is silent is waited for until ctx is done, and one that always has more news is listened to until then. One that
// only says that it has more, or asks the same again after a part of it, is left (ErrProtocol).
func (c Session) Sync(ctx context.Context, rw io.ReadWriter, s Syncer) error {
	if rw == nil || s == nil {
		panic("crdt: Sync: nothing to read from, or to sync")
	}
	if c.MaxMessage < 0 || int64(c.MaxMessage) > math.MaxUint32 {
		return fmt.Errorf("crdt: Session: MaxMessage is %d: want 1 to %d, or 0 for %d",
			c.MaxMessage, uint32(math.MaxUint32), defaultMaxMessage)
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = defaultMaxMessage
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("crdt: Sync: %w", context.Cause(ctx))
	}
	l := &line{rw: rw, most: c.MaxMessage}
	stop := context.AfterFunc(ctx, l.hangUp)
	defer stop() // also if s panics
	err := l.session(ctx, s)
	if !stop() && err == nil {
		err = errors.New("all is said, and the connection is closed")
	}
	if err == nil {
		return nil
	}
	l.hangUp()
	if ctx.Err() != nil {
		return fmt.Errorf("crdt: Sync: %w: %w", context.Cause(ctx), err)
	}
	return fmt.Errorf("crdt: Sync: %w", err)
}

// line is one side of a connection. It is used by one goroutine that reads, and one that writes.
type line struct {
	rw     io.ReadWriter
	most   int
	closed sync.Once
}

// hangUp ends what reads and writes.
func (l *line) hangUp() {
	l.closed.Do(func() {
		if c, is := l.rw.(io.Closer); is {
			_ = c.Close() // there is an error already
		}
	})
}

// session runs rounds until nobody has more to say. Each part moves the one who gets it on, so there is an end.
func (l *line) session(ctx context.Context, s Syncer) error {
	greeting, mine := magic, s.Summary()
	var gave messageKind // in the round before
	var asked []byte
	for {
		asks, err := l.exchange(greeting, message{isSummary, mine})
		if err != nil {
			return err
		}
		if gave == isPart && bytes.Equal(asks.body, asked) {
			return fmt.Errorf("%w: it has got a part, and asks the same again", ErrProtocol)
		}
		answer, err := answerTo(s, asks)
		if err != nil {
			return err
		}
		news, err := l.exchange("", answer)
		if err != nil {
			return err
		}
		if err := s.Receive(news.body); err != nil {
			return err
		}
		if answer.kind == isLast && news.kind == isLast {
			return nil
		}
		if err := ctx.Err(); err != nil { // what cannot be closed is left between messages
			return err
		}
		before := mine
		if mine = s.Summary(); news.kind == isPart && bytes.Equal(mine, before) {
			return fmt.Errorf("%w: it says that there is more, and has nothing new", ErrProtocol)
		}
		greeting, gave, asked = "", answer.kind, asks.body
	}
}

func answerTo(s Syncer, asks message) (message, error) {
	delta, err := s.Delta(asks.body)
	if p, is := s.(parter); is && len(delta) > 0 && p.More(delta) {
		return message{isPart, delta}, err
	}
	return message{isLast, delta}, err
}

// A session begins with four letters and a version. A message is a byte that says what it is, its length in
// four bytes, and that many more:
//
//	63 72 64 74 01    01       00 00 00 0a   78 01 62 02 01 61 01 01 62 02
//	c  r  d  t  1     summary  length        what Summary returned
const magic = "crdt\x01"

type message struct {
	kind messageKind
	body []byte
}

type messageKind byte

const (
	isSummary messageKind = 1 + iota
	isLast                // a delta, which is all that the other side lacks
	isPart                // a delta, and there are more
)

const headerSize = 5

func (m message) header() []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(m.kind)}, uint32(len(m.body)))
}

// exchange writes a message and reads one of the same sort. Both sides do that at once, and neither would read before
// it has written if there were not two goroutines: a pipe holds nothing.
func (l *line) exchange(greeting string, m message) (message, error) {
	if len(m.body) > l.most {
		return message{}, fmt.Errorf("%w: this side has one of %d bytes, at most %d", ErrTooLong, len(m.body), l.most)
	}
	written := make(chan error, 1)
	go func() {
		_, err := l.rw.Write(slices.Concat([]byte(greeting), m.header(), m.body))
		if err != nil {
			l.hangUp()
		}
		written <- err
	}()
	reply, err := l.read(greeting, m.kind)
	if err != nil {
		l.hangUp()
	}
	switch writing := <-written; {
	case writing == nil:
		return reply, err
	case err == nil:
		return message{}, fmt.Errorf("write: %w", writing)
	default:
		return message{}, fmt.Errorf("%w; write: %w", err, writing)
	}
}

// read reads a greeting, if there is to be one, and a message which is a summary exactly if that is what was sent.
func (l *line) read(greeting string, sent messageKind) (message, error) {
	got, err := l.bytes(len(greeting), "its greeting")
	switch {
	case err != nil:
		return message{}, err
	case len(got) > 0 && string(got[:4]) != greeting[:4]:
		return message{}, fmt.Errorf("%w: it begins with %q", ErrProtocol, got)
	case string(got) != greeting:
		return message{}, fmt.Errorf("%w: it has version %d, this is %d", ErrProtocol, got[4], greeting[4])
	}
	header, err := l.bytes(headerSize, "a header")
	if err != nil {
		return message{}, err
	}
	m, size := message{kind: messageKind(header[0])}, binary.BigEndian.Uint32(header[1:])
	switch {
	case m.kind < isSummary || m.kind > isPart || (m.kind == isSummary) != (sent == isSummary):
		return message{}, fmt.Errorf("%w: a message of kind %d in answer to kind %d", ErrProtocol, m.kind, sent)
	case m.kind != isLast && size == 0:
		return message{}, fmt.Errorf("%w: a message of kind %d with nothing in it", ErrProtocol, m.kind)
	case uint64(size) > uint64(l.most):
		return message{}, fmt.Errorf("%w: the other side has one of %d bytes, at most %d", ErrTooLong, size, l.most)
	}
	m.body, err = l.bytes(int(size), "a message")
	return m, err
}

// bytes reads so many, and takes memory as they come: who only says that he sends much gets none.
func (l *line) bytes(n int, what string) ([]byte, error) {
	var b bytes.Buffer
	got, err := io.CopyN(&b, l.rw, int64(n))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %d of %d bytes: %w", what, got, n, err)
	}
	return b.Bytes(), nil
}
