package httpapi

import (
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"

	"twinload/wallet"
)

// The bounds of amounts in writes.
const (
	maxCoins      = 1_000_000
	maxValidHours = 8760
	maxGiftID     = 200
	maxDiamonds   = 1_000_000_000
)

// write answers the three POST endpoints: body, media type and key first, then the endpoint.
func (s *Server) write(c *call, e endpoint) *fault {
	body, err := io.ReadAll(io.LimitReader(c.request.Body, maxBodyBytes+1))
	if len(body) > maxBodyBytes {
		c.answer.close = true
		return &fault{slug: slugBodyTooLarge}
	}
	if mediaType, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type")); mediaType != typeJSON {
		return &fault{slug: slugMediaType}
	}
	key, f := idempotencyKey(c.request.Header)
	if f != nil {
		return f
	}
	if err != nil {
		return notAnObject()
	}
	c.input = body
	request := wallet.Request{Key: key, Digest: c.digest()}
	switch e {
	case epRecharges:
		return s.recharge(c, request)
	case epGifts:
		return s.gift(c, request)
	default:
		return s.withdraw(c, request)
	}
}

// idempotencyKey returns the header that names a write, which must be given once.
func idempotencyKey(header http.Header) (string, *fault) {
	const name = "Idempotency-Key"
	keys := header[name]
	switch {
	case len(keys) == 0:
		return "", missing(name)
	case len(keys) > 1:
		return "", repeated(name)
	case !wallet.ValidID(keys[0]):
		return "", badParameter(name, name+" must be 1 to 64 letters, digits, - or _.")
	}
	return keys[0], nil
}

// digest identifies the request: method, path and body. Neither of the first two holds a zero byte.
func (c *call) digest() [sha256.Size]byte {
	text := append([]byte(c.request.Method), 0)
	text = append(append(text, c.path...), 0)
	return sha256.Sum256(append(text, c.input...))
}

func (s *Server) recharge(c *call, request wallet.Request) *fault {
	coins, hours := member{name: "coins"}, member{name: "valid_hours"}
	if f := readBody(c.input, &coins, &hours); f != nil {
		return f
	}
	amount, f := coins.integer(1, maxCoins)
	if f != nil {
		return f
	}
	validHours, f := hours.integer(1, maxValidHours)
	if f != nil {
		return f
	}
	if f := c.findUser(); f != nil {
		return f
	}
	outcome, replayed, err := c.bank.Recharge(request, c.user, amount, validHours)
	if f := s.written(c, outcome, replayed, err); f != nil {
		return f
	}
	c.body = appendMember(c.body, `{"seq":`, outcome.Seq)
	c.body = appendText(c.body, `,"user_id":"`, c.userID)
	c.body = appendMember(c.body, `,"coins":`, amount)
	c.body = appendMember(c.body, `,"expires_at_ms":`, outcome.TimeMs+int64(validHours)*wallet.HourMs)
	c.body = append(c.body, '}')
	return nil
}

func (s *Server) gift(c *call, request wallet.Request) *fault {
	from, to, gift, coins := member{name: "from"}, member{name: "to"}, member{name: "gift_id"}, member{name: "coins"}
	if f := readBody(c.input, &from, &to, &gift, &coins); f != nil {
		return f
	}
	fromID, f := from.userID()
	if f != nil {
		return f
	}
	toID, f := to.userID()
	if f != nil {
		return f
	}
	giftID, f := gift.integer(1, maxGiftID)
	if f != nil {
		return f
	}
	amount, f := coins.integer(1, maxCoins)
	if f != nil {
		return f
	}
	if fromID == toID {
		return badParameter("to", "to must differ from from.")
	}
	sender, known := c.bank.Users().Find(fromID)
	receiver, alsoKnown := c.bank.Users().Find(toID)
	if !known || !alsoKnown {
		return &fault{slug: slugUnknownUser}
	}
	outcome, replayed, err := c.bank.Gift(request, sender, receiver, giftID, amount)
	if f := s.written(c, outcome, replayed, err); f != nil {
		return f
	}
	c.body = appendMember(c.body, `{"seq":`, outcome.Seq)
	c.body = appendText(c.body, `,"from":"`, fromID)
	c.body = appendText(c.body, `,"to":"`, toID)
	c.body = appendMember(c.body, `,"gift_id":`, giftID)
	c.body = appendMember(c.body, `,"coins":`, amount)
	c.body = append(c.body, '}')
	return nil
}

func (s *Server) withdraw(c *call, request wallet.Request) *fault {
	diamonds := member{name: "diamonds"}
	if f := readBody(c.input, &diamonds); f != nil {
		return f
	}
	amount, f := diamonds.integer(1, maxDiamonds)
	if f != nil {
		return f
	}
	if f := c.findUser(); f != nil {
		return f
	}
	outcome, replayed, err := c.bank.Withdraw(request, c.user, amount)
	if f := s.written(c, outcome, replayed, err); f != nil {
		return f
	}
	c.body = appendMember(c.body, `{"seq":`, outcome.Seq)
	c.body = appendText(c.body, `,"user_id":"`, c.userID)
	c.body = appendMember(c.body, `,"diamonds":`, amount)
	c.body = append(c.body, '}')
	return nil
}

// written turns what the bank says about a write into the answer's status and headers.
func (s *Server) written(c *call, outcome wallet.Outcome, replayed bool, err error) *fault {
	switch {
	case errors.Is(err, wallet.ErrKeyReused):
		return &fault{slug: slugKeyReused}
	case errors.Is(err, wallet.ErrStoreLost):
		return &fault{slug: slugStoreLost}
	case errors.Is(err, wallet.ErrStoreUnavailable):
		return &fault{slug: slugStoreGone}
	case err != nil:
		return s.internal(c, err)
	}
	c.answer.replayed = replayed
	if outcome.Refused {
		return &fault{slug: slugFunds}
	}
	c.answer.status = http.StatusCreated
	c.setMark(outcome.Mark)
	return nil
}

func appendText(dst []byte, literal, text string) []byte {
	dst = append(dst, literal...)
	dst = append(dst, text...)
	return append(dst, '"')
}
