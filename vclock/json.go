package vclock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// parseCounts reads a JSON object of whole numbers. Package json would take the last of two that have the
// same name, and a map has forgotten that there were two.
func parseCounts(b []byte) (map[ID]uint64, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	counts := map[ID]uint64{}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, notJSON(d, "want an object", err)
	}
	for d.More() {
		t, err := d.Token()
		name, _ := t.(string) // a name is all that can be here
		if err != nil {
			return nil, notJSON(d, "want a name", err)
		}
		if _, twice := counts[ID(name)]; twice {
			return nil, fmt.Errorf("byte %d: %q twice", d.InputOffset(), name)
		}
		t, err = d.Token()
		number, is := t.(json.Number)
		if err != nil || !is {
			return nil, notJSON(d, fmt.Sprintf("want a number for %q", name), err)
		}
		if counts[ID(name)], err = strconv.ParseUint(number.String(), 10, 64); err != nil {
			return nil, fmt.Errorf("byte %d: %q: %s is no whole number of 64 bits", d.InputOffset(), name, number)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON(d, "want }", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("byte %d: more after the end", d.InputOffset())
	}
	return counts, nil
}

func notJSON(d *json.Decoder, want string, err error) error {
	if err == nil {
		return fmt.Errorf("byte %d: %s", d.InputOffset(), want)
	}
	return fmt.Errorf("byte %d: %s: %w", d.InputOffset(), want, err)
}
