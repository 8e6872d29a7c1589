package storetest

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/ratelimit"
)

func TestMemoryStore(t *testing.T) {
	Run(t, func(t *testing.T) ratelimit.Store { return ratelimit.NewMemoryStore(1000) })
}

// plain is a store as simple as can be, of which each part can be replaced by a wrong one.
type plain struct {
	clock   func() int64
	key     func(string) string
	check   func(period, tolerance int64) bool
	step    func(tat, now, period, tolerance, cost int64) (int64, bool)
	between func() // reading and writing
	forget  func(p *plain, now int64)
	fail    func(err error) (int64, int64, bool, error)
	early   bool  // looks at the context before it begins
	late    error // looks at the context when it has ended, and says this

	mu     sync.Mutex
	locked bool
	keys   *sync.Map // mutexes, if it locks only the key and writes the table of all
	tats   map[string]int64
	until  map[string]int64
}

func newPlain() *plain {
	made := time.Now()
	return &plain{
		clock:   func() int64 { return int64(time.Since(made)) },
		key:     func(key string) string { return key },
		check:   func(period, tolerance int64) bool { return 1 <= period && period <= tolerance && tolerance <= maxTime },
		step:    rightStep,
		between: func() {},
		forget:  func(*plain, int64) {},
		fail:    func(err error) (int64, int64, bool, error) { return 0, 0, false, err },
		early:   true,
		locked:  true,
		tats:    map[string]int64{},
		until:   map[string]int64{},
	}
}

func rightStep(tat, now, period, tolerance, cost int64) (int64, bool) {
	begin, most := max(tat, now), tolerance/period
	switch room := now - begin + tolerance; {
	case cost == 0:
		return tat, period <= room
	case cost < 0:
		return max(begin-min(-max(cost, -most), most)*period, 0), true
	case cost <= most && cost*period <= room:
		return begin + cost*period, true
	}
	return tat, false
}

func (p *plain) Update(ctx context.Context, key string, period, tolerance, cost int64) (int64, int64, bool, error) {
	if p.early && ctx.Err() != nil {
		return p.fail(ctx.Err())
	}
	if !p.check(period, tolerance) {
		return p.fail(errors.New("plain: arguments"))
	}
	key = p.key(key)
	if p.locked {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	if p.keys != nil {
		mu, _ := p.keys.LoadOrStore(key, new(sync.Mutex))
		mu.(*sync.Mutex).Lock()
		defer mu.(*sync.Mutex).Unlock()
	}
	var table map[string]int64
	read := func() (int64, int64) {
		if !p.locked {
			p.mu.Lock()
			defer p.mu.Unlock()
		}
		now := p.clock()
		p.forget(p, now)
		if p.keys != nil {
			table = maps.Clone(p.tats)
		}
		return p.tats[key], now
	}
	tat, now := read()
	p.between()
	after, ok := p.step(tat, now, period, tolerance, cost)
	if !p.locked {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	if p.keys != nil {
		p.tats = table
	}
	if after != tat {
		p.tats[key] = after
	}
	if p.late != nil && ctx.Err() != nil {
		return p.fail(p.late)
	}
	return after, now, ok, nil
}

// TestPlanted runs the checks on stores that each have one bug, and names the check which
// must find it.
func TestPlanted(t *testing.T) {
	for name, c := range map[string]struct {
		found string
		plant func(*plain)
	}{
		"right":           {"", func(*plain) {}},
		"right, and slow": {"", func(p *plain) { p.between = runtime.Gosched }},
		"right, of last year": {"", func(p *plain) { // not that of the wall, which may be set meanwhile
			clock, made := p.clock, time.Now().UnixNano()
			p.clock = func() int64 { return made + clock() }
		}},
		"right, and resets": {"", func(p *plain) {
			p.late, p.between = errors.New("connection reset"), func() {
				for range 20 {
					runtime.Gosched()
				}
			}
		}},
		"three steps": {"Concurrent", func(p *plain) { p.locked, p.between = false, runtime.Gosched }},
		"keys locked, table not": {"ConcurrentKeys", func(p *plain) {
			p.locked, p.between, p.keys = false, runtime.Gosched, new(sync.Map)
		}},
		"three steps, to give": {"ConcurrentGiveBack", func(p *plain) { p.locked, p.between = false, runtime.Gosched }},
		"forgets the oldest": {"Memory", func(p *plain) {
			p.forget = func(p *plain, now int64) {
				for key := range p.tats {
					if len(p.tats) > 400 {
						delete(p.tats, key)
					}
				}
			}
		}},
		"expires by the millisecond": {"Time", func(p *plain) {
			p.forget = func(p *plain, now int64) {
				for key, tat := range p.tats {
					if (tat-now)/1e6 == 0 {
						delete(p.tats, key)
					}
				}
			}
		}},
		"time runs backwards": {"Sequence", func(p *plain) {
			clock, back := p.clock, int64(0)
			p.clock = func() int64 {
				back ^= 1
				return clock() + 1e12 - back*1e10
			}
		}},
		"mints when it was set back": {"Time", func(p *plain) { // although it does not say so
			clock, late, shown, last, at := p.clock, int64(0), int64(0), int64(0), int64(0)
			p.clock = func() int64 {
				late ^= 1e6
				at = clock() + 1e9 - late
				shown = max(shown, at)
				return shown
			}
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				if at < last {
					tat = max(tat-(last-at), 0)
				}
				last = at
				return rightStep(tat, now, period, tolerance, cost)
			}
		}},
		"clock of microseconds": {"Time", func(p *plain) {
			clock := p.clock
			p.clock = func() int64 { return clock() / 1000 }
		}},
		"clock below zero": {"Sequence", func(p *plain) { p.clock = func() int64 { return -5 } }},
		"clock too late":   {"Sequence", func(p *plain) { p.clock = func() int64 { return maxTime } }},
		"ignores cost": {"Sequence", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				return rightStep(tat, now, period, tolerance, min(cost, 1))
			}
		}},
		"ignores tolerance": {"Sequence", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				return rightStep(tat, now, period, 2*period, cost)
			}
		}},
		"takes some if not all": {"GiveBack", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				return rightStep(tat, now, period, tolerance, min(cost, max(1, tolerance-max(tat-now, 0))/period))
			}
		}},
		"takes what it refuses": {"Memory", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				after, ok := rightStep(tat, now, period, tolerance, cost)
				if !ok && cost > 0 {
					after = max(tat, now) + period
				}
				return after, ok
			}
		}},
		"asking takes": {"GiveBack", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				if cost == 0 {
					cost = 1
				}
				return rightStep(tat, now, period, tolerance, cost)
			}
		}},
		"asking always succeeds": {"GiveBack", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				after, ok := rightStep(tat, now, period, tolerance, cost)
				return after, ok || cost == 0
			}
		}},
		"saves up": {"Sequence", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				if cost > 0 && cost <= tolerance/period && tat+cost*period <= now+tolerance {
					return tat + cost*period, true
				}
				return rightStep(tat, now, period, tolerance, cost)
			}
		}},
		"gives back beyond full": {"Sequence", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				if cost > 0 && cost <= tolerance/period && tat < now && tat+cost*period <= now+tolerance && tat > 0 {
					return tat + cost*period, true
				}
				return rightStep(tat, now, period, tolerance, cost)
			}
		}},
		"gives nothing back": {"GiveBack", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				return rightStep(tat, now, period, tolerance, max(cost, 0))
			}
		}},
		"wraps": {"Extremes", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				if begin := max(tat, now); cost > 0 {
					if begin+cost*period-now <= tolerance {
						return begin + cost*period, true
					}
					return tat, false
				}
				return rightStep(tat, now, period, tolerance, cost)
			}
		}},
		"wraps when it gives": {"Extremes", func(p *plain) {
			p.step = func(tat, now, period, tolerance, cost int64) (int64, bool) {
				if cost < 0 {
					return max(tat+cost*period, now), true
				}
				return rightStep(tat, now, period, tolerance, cost)
			}
		}},
		"takes any arguments": {"Arguments", func(p *plain) {
			p.check = func(period, tolerance int64) bool { return period > 0 && tolerance > 0 }
		}},
		"error is an answer": {"Arguments", func(p *plain) {
			p.fail = func(error) (int64, int64, bool, error) { return -1, -1, false, nil }
		}},
		"ok with an error": {"Arguments", func(p *plain) {
			p.fail = func(err error) (int64, int64, bool, error) { return 0, 0, true, err }
		}},
		"ok when it is too late": {"Cancelled", func(p *plain) {
			p.fail = func(err error) (int64, int64, bool, error) { return 0, 0, true, err }
		}},
		"one key":                    {"Keys", func(p *plain) { p.key = func(string) string { return "" } }},
		"keys by prefix":             {"Keys", func(p *plain) { p.key = func(key string) string { return key[:min(len(key), 4096)] } }},
		"keys trimmed":               {"Keys", func(p *plain) { p.key = strings.TrimSpace }},
		"keys without case":          {"Keys", func(p *plain) { p.key = strings.ToLower }},
		"keys of valid UTF-8":        {"Keys", func(p *plain) { p.key = func(key string) string { return strings.ToValidUTF8(key, "\ufffd") } }},
		"keys end at zero":           {"Keys", func(p *plain) { p.key = func(key string) string { return strings.SplitN(key, "\x00", 2)[0] } }},
		"context ignored":            {"Cancelled", func(p *plain) { p.early = false }},
		"context looked at too late": {"Cancelled", func(p *plain) { p.early, p.late = false, context.Canceled }},
	} {
		t.Run(name, func(t *testing.T) {
			found := map[string]error{}
			for _, check := range checks() {
				if c.found != "" && c.found != check.name {
					continue
				}
				p := newPlain()
				c.plant(p)
				if err := check.check(t.Context(), p); err != nil {
					found[check.name] = err
				}
			}
			if c.found == "" {
				require.Empty(t, found)
				return
			}
			require.Contains(t, found, c.found)
			t.Log(found[c.found])
		})
	}
}

// TestSlow runs the checks of one caller on a right store that takes long to answer.
func TestSlow(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, 5 * time.Millisecond, time.Second} {
		for _, check := range checks() {
			if strings.HasPrefix(check.name, "Concurrent") {
				continue // synctest's time stands still while somebody waits for a mutex
			}
			synctest.Test(t, func(t *testing.T) {
				p := newPlain()
				p.between = func() { <-time.After(delay) }
				require.NoError(t, check.check(t.Context(), p), "%s, %v", check.name, delay)
			})
		}
	}
}
