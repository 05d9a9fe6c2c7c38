//! What becomes of a connection by the login that it brings, and by a token that comes later.

use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use super::login::password;
use crate::agency::token::{Claims, TokenRefusal};
use crate::amqp::{Login, Reply, ReplyCode, Secret};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Judges a login.
    pub(super) fn log_in(&mut self, login: &Login) {
        if login.mechanism.as_str() == "EXTERNAL" {
            return self.session.accept_login();
        }
        let token = password(login.response.expose());
        let token = token.ok_or(TokenRefusal::Malformed(
            "PLAIN has a user, and it as the password",
        ));
        match token.and_then(|token| self.verify(token)) {
            Ok(claims) => {
                self.rights.by_token(claims);
                self.login.is_renewed();
                self.session.accept_login();
            }
            Err(refusal) => {
                self.tell_refused(&refusal);
                let says = in_words(&refusal);
                self.session.decline_login(&says);
            }
        }
    }

    /// Goes on by a new token. Who has logged in by certificate alone has none to renew.
    pub(super) fn update_secret(&mut self, secret: &Secret) {
        if !self.rights.is_by_token() {
            return self.session.secret_updated();
        }
        let token = std::str::from_utf8(secret.expose());
        let token = token.map_err(|_| TokenRefusal::Malformed("it is no text"));
        let says = match token.and_then(|token| self.verify(token)) {
            Ok(claims) => match self.rights.renew(claims) {
                Ok(()) => {
                    self.login.is_renewed();
                    return self.session.secret_updated();
                }
                Err(refusal) => refusal.to_string(),
            },
            Err(refusal) => {
                self.tell_refused(&refusal);
                in_words(&refusal)
            }
        };
        self.close(&Reply::new(ReplyCode::NotAllowed, says));
    }

    fn verify(&self, token: &str) -> Result<Claims, TokenRefusal> {
        let view = self.backbone.view();
        let id = self.rights.system().agency.id.as_str();
        let agency = view.rulebook.registry().agency(id);
        let agency = agency.ok_or(TokenRefusal::NoProvider)?;
        self.login.verify(agency, token, self.clock.now())
    }

    fn tell_refused(&self, refusal: &TokenRefusal) {
        let system = self.rights.system();
        tracing::info!(
            agency.id = %system.agency.id,
            system.name = %system.system.name,
            refusal.code = refusal.code(),
            %refusal,
            "a client's token does not count"
        );
    }
}

fn in_words(refusal: &TokenRefusal) -> String {
    format!("{}: {refusal}", refusal.code())
}
