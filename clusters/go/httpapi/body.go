package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"twinload/wallet"
)

// member is one name looked up in a JSON object.
type member struct {
	name  string
	value json.RawMessage
	times int
}

func notAnObject() *fault { return badParameter("body", "The body must be a JSON object.") }

// readBody finds the members in the body, which must hold each of them once and no other. Faults
// are told in this order: not an object, an unknown member, a repeated one, a missing one.
func readBody(body []byte, wanted ...*member) *fault {
	// encoding/json takes bytes that are not UTF-8 for text; JSON does not.
	if !utf8.Valid(body) || !json.Valid(body) || bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return notAnObject()
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	// The body is valid JSON, so the decoder cannot fail from here on, but it says so in errors.
	if _, err := decoder.Token(); err != nil {
		return notAnObject()
	}
	unknown := false
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return notAnObject()
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return notAnObject()
		}
		known := false
		for _, m := range wanted {
			if m.name == name {
				m.value = value
				m.times++
				known = true
			}
		}
		unknown = unknown || !known
	}
	if unknown {
		return badParameter("body", "The body has an unknown member.")
	}
	for _, m := range wanted {
		if m.times > 1 {
			return repeated(m.name)
		}
	}
	for _, m := range wanted {
		if m.times == 0 {
			return missing(m.name)
		}
	}
	return nil
}

// integer reads a JSON number that is written as a whole one, without point or exponent.
func (m *member) integer(least, most uint32) (uint32, *fault) {
	value, err := strconv.ParseUint(string(m.value), 10, 32)
	if err != nil || uint32(value) < least || uint32(value) > most {
		return 0, badParameter(m.name, fmt.Sprintf("%s must be an integer from %d to %d.", m.name, least, most))
	}
	return uint32(value), nil
}

// userID reads a JSON string that could be a user's id.
func (m *member) userID() (string, *fault) {
	var id string
	if err := json.Unmarshal(m.value, &id); err != nil || !wallet.ValidID(id) {
		return "", badParameter(m.name, m.name+" must be a user id.")
	}
	return id, nil
}
