package httpapi

import "net/http"

// fault is why a request is not answered with success. Its texts are constants of the contract: they
// never hold what the client sent, and nothing in them needs escaping in JSON.
type fault struct {
	slug      string
	detail    string
	parameter string // the parameter or member at fault, or empty
}

// The slugs of problem documents; problems says what each one is.
const (
	slugUnknownUser     = "unknown-user"
	slugNotFound        = "not-found"
	slugMethod          = "method-not-allowed"
	slugBadParameter    = "bad-parameter"
	slugBodyTooLarge    = "body-too-large"
	slugMediaType       = "unsupported-media-type"
	slugFunds           = "insufficient-funds"
	slugKeyReused       = "idempotency-key-reused"
	slugNotReady        = "not-ready"
	slugCorrupt         = "ledger-corrupt"
	slugProfileBusy     = "profile-busy"
	slugSequenceOverrun = "ledger-full"
	slugStoreGone       = "store-unavailable"
	slugStoreLost       = "store-lost"
)

// problem is what all faults of a slug share. The details of bad parameters differ from fault to
// fault.
type problem struct {
	status int
	title  string
	detail string
}

func problemOf(slug string) problem {
	switch slug {
	case slugUnknownUser:
		return problem{http.StatusNotFound, "Unknown user", "No user has this id."}
	case slugNotFound:
		return problem{http.StatusNotFound, "Not found", "No such resource."}
	case slugMethod:
		return problem{http.StatusMethodNotAllowed, "Method not allowed", "This resource does not answer that method."}
	case slugBadParameter:
		return problem{http.StatusBadRequest, "Bad parameter", ""}
	case slugBodyTooLarge:
		return problem{http.StatusRequestEntityTooLarge, "Body too large", "The body may have at most 65536 bytes."}
	case slugMediaType:
		return problem{http.StatusUnsupportedMediaType, "Unsupported media type", "The body must be application/json."}
	case slugFunds:
		return problem{http.StatusConflict, "Insufficient funds", "The wallet does not hold that much."}
	case slugKeyReused:
		return problem{http.StatusUnprocessableEntity, "Idempotency key reused", "This key was used with another request."}
	case slugNotReady:
		return problem{http.StatusServiceUnavailable, "Not ready", "The ledger is not loaded yet."}
	case slugProfileBusy:
		return problem{http.StatusServiceUnavailable, "Profile busy", "A CPU profile is being taken already."}
	case slugStoreGone:
		return problem{http.StatusServiceUnavailable, "Store unavailable", "The store does not take the write now; send it again with the same key."}
	case slugStoreLost:
		return problem{http.StatusServiceUnavailable, "Store lost", "The store has lost writes that this instance has seen."}
	case slugSequenceOverrun:
		return problem{http.StatusInsufficientStorage, "Ledger full", "The ledger has no sequence number left."}
	default:
		return problem{http.StatusInternalServerError, "Ledger corrupt", "The ledger of this user breaks its rules."}
	}
}

func badParameter(name, detail string) *fault {
	return &fault{slug: slugBadParameter, detail: detail, parameter: name}
}

func missing(name string) *fault { return badParameter(name, name+" is required.") }

func repeated(name string) *fault { return badParameter(name, name+" is given more than once.") }

// appendProblem appends the RFC 9457 document of the fault.
func appendProblem(dst []byte, f *fault) ([]byte, int) {
	p := problemOf(f.slug)
	detail := f.detail
	if detail == "" {
		detail = p.detail
	}
	dst = append(dst, `{"type":"/problems/`...)
	dst = append(dst, f.slug...)
	dst = append(dst, `","title":"`...)
	dst = append(dst, p.title...)
	dst = appendMember(dst, `","status":`, p.status)
	dst = append(dst, `,"detail":"`...)
	dst = append(dst, detail...)
	dst = append(dst, '"')
	if f.parameter != "" {
		dst = append(dst, `,"parameter":"`...)
		dst = append(dst, f.parameter...)
		dst = append(dst, '"')
	}
	return append(dst, '}'), p.status
}
