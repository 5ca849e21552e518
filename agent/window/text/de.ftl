# Die eigenen Worte des Fensters.

## General
app-name = Nearhand
list-separator = {", "}
list-empty = nichts
seconds = { $n ->
    [one] { $n } Sekunde
   *[other] { $n } Sekunden
}
minutes = { $n ->
    [one] { $n } Minute
   *[other] { $n } Minuten
}
hours = { $n ->
    [one] { $n } Stunde
   *[other] { $n } Stunden
}
hours-minutes = { $hours } h { $minutes } min
tab-help = Hilfe anfordern
tab-code = Hilfe-Code
tab-about = Über
tab-back = Zurück
connected = Verbunden
not-connected = Nicht verbunden
close = Schließen
cancel = Abbrechen
by-program = Das hat ein Programm gedrückt, nicht Sie; es zählt deshalb nicht. Wenn Sie das nicht erwartet haben, drücken Sie Beenden oder Ablehnen.
message-from-agent = Meldung: { $text }

## The agent is away
lost-title = Der Hilfe-Dienst wird gesucht
lost-body = Der Teil von Nearhand, der diesen Rechner schützt, antwortet nicht. Solange er fehlt, kann niemand hier etwas sehen oder tun. Dieses Fenster verbindet sich von selbst wieder.
lost-seeking = Verbinden …

## Which support team
site-title = Wer hilft Ihnen?
site-body = Ihr Support-Team gibt Ihnen einen Text, der mit „nearhand-site-“ beginnt. Fügen Sie ihn hier ein. Nehmen Sie nur einen von einem Team, an das Sie sich selbst gewandt haben.
site-label = Text Ihres Support-Teams
site-go = Weiter
site-bad = Dieser Text ist nicht brauchbar. Wurde er ganz kopiert?
site-starting = Wird gestartet …

## Ask for help
help-title = Worum geht es?
help-body = Beschreiben Sie es mit eigenen Worten. Ihr Support-Team liest diesen Text.
help-what = Worum es geht
help-what-hint = Zum Beispiel: Der Drucker druckt nicht mehr
help-urgency = Wie dringend ist es?
urgency-can-wait = Es kann warten
urgency-hampered = Ich kann arbeiten, aber schlecht
urgency-stopped = Ich kann gar nicht arbeiten
help-reach = Wie erreichen wir Sie?
help-reach-hint = Telefon oder E-Mail (freiwillig)
help-send = Hilfe anfordern
help-looking = Dieser Rechner wird auf bekannte Probleme geprüft …
help-fixes = Vielleicht können Sie es selbst lösen
help-fixes-body = Das wurde gerade auf diesem Rechner gefunden:
help-sent-title = Ihre Anfrage
help-sending = Ihre Anfrage liegt hier bereit und wird gesendet, sobald das Support-Team erreichbar ist.
help-ahead = { $n ->
    [0] Sie sind als Nächstes dran.
    [one] Eine Person ist vor Ihnen dran.
   *[other] { $n } Personen sind vor Ihnen dran.
}
help-wait = Voraussichtliche Wartezeit: etwa { $time }
help-number = Anfrage Nummer { $n }
help-taken = { $name } hat Ihre Anfrage.
help-taken-body = Vielleicht werden Sie um Zugriff gebeten. Auf diesem Rechner geschieht nichts, bevor Sie es erlauben.
help-closed = Ihre Anfrage ist abgeschlossen.
help-refused = Ihre Anfrage konnte nicht angenommen werden: { $why }
help-withdraw = Ich brauche keine Hilfe mehr
help-again = Neue Anfrage

## Support code
code-title = Hilfe-Code
code-body = Lesen Sie diesen Code der Person vor, die Ihnen hilft. Er gilt für ein Mal.
code-none = Im Moment gibt es keinen Code.
code-left = Gültig noch { $time }
code-copy = Kopieren
code-copied = Kopiert
code-new = Neuer Code
code-cancel = Code ungültig machen
code-gone = Der Code gilt nicht mehr: { $why }
code-warning = Lesen Sie ihn nur jemandem vor, an den Sie sich selbst gewandt haben. Niemand Ehrliches verlangt beim Helfen Geld, Geschenkkarten oder Ihre Bankdaten.

## Consent
consent-title = Erlauben Sie das?
consent-who = { $technician } von { $organisation } möchte sich verbinden
consent-reason = Die Begründung, in deren Worten
consent-no-reason = Es wurde kein Grund genannt.
consent-first = Diese Person hat Ihnen noch nie geholfen. Wenn Sie sich nicht an sie gewandt haben, drücken Sie Ablehnen. Support-Teams rufen nie unaufgefordert an.
consent-warning = Niemand Ehrliches verlangt beim Helfen Geld, Geschenkkarten oder Ihre Bankdaten.
consent-what = Was erlaubt sein soll
consent-long = Für wie lange
consent-15 = 15 Minuten
consent-60 = 1 Stunde
consent-open = Bis ich es beende
consent-window = Welches Fenster soll zu sehen sein?
consent-window-note = Nur dieses Fenster wird gezeigt, was auch immer darüber liegt.
consent-no-window = Es ist kein Fenster offen.
consent-deny = Ablehnen
consent-allow = Erlauben
consent-next = Weiter
consent-wait = Bitte lesen Sie zuerst. Erlauben geht in { $time }.
consent-pick = Kreuzen Sie an, was Sie erlauben möchten.
consent-pick-window = Wählen Sie das Fenster, das zu sehen sein soll.
consent-left = Gilt in { $time } als abgelehnt
consent-refused = Das zählte nicht: { $why }
consent-more = { $n ->
    [one] Eine weitere Bitte wartet.
   *[other] { $n } weitere Bitten warten.
}
elevated-title = Sind Sie sicher?
elevated-body = { $technician } von { $organisation } bekäme weitreichenden Zugriff:
elevated-open = Er bleibt bestehen, auch wenn Sie nicht am Rechner sind, bis Sie Beenden drücken.
elevated-warning = Erlauben Sie das nur, wenn Sie diese Person kennen und sich selbst an sie gewandt haben.
elevated-allow = Ja, erlauben
elevated-back = Zurück
request-notice-title = Jemand möchte sich verbinden
request-notice-body = { $technician } von { $organisation } wartet auf Ihre Antwort.

## Capabilities
cap-view = Bildschirm sehen
cap-control = Maus und Tastatur benutzen
cap-clipboard = Zwischenablage benutzen
cap-files = Dateien austauschen
cap-terminal = Befehle eingeben
cap-diagnostics = diesen Rechner prüfen
cap-actions = Reparaturen ausführen
cap-reboot = diesen Rechner neu starten
cap-window = ein Fenster sehen
cap-screenshot = ein Bild vom Bildschirm machen
cap-runbook = vorbereitete Reparaturen ausführen
does-view = Ihren Bildschirm sehen
does-control = Ihre Maus und Tastatur benutzen
does-clipboard = Ihre Zwischenablage lesen und füllen
does-files = Dateien senden und holen
does-terminal = Befehle eingeben
does-diagnostics = Prüfen, wie es diesem Rechner geht
does-actions = Reparaturen aus einer festen Liste ausführen
does-reboot = Diesen Rechner neu starten
does-window = Ein Fenster sehen, das Sie auswählen
does-screenshot = Ein Bild von Ihrem Bildschirm machen
does-runbook = Reparaturen ausführen, die der Eigentümer dieses Rechners vorbereitet hat
risk-view = Alles, was offen ist, ist zu sehen. Schließen Sie zuerst, was privat ist.
risk-control = Alles ist möglich, was Sie selbst können. Sehen Sie zu.
risk-clipboard = Was Sie zuletzt kopiert haben, etwa ein Passwort, kann gelesen werden.
risk-files = Ihre Dateien können kopiert und neue abgelegt werden.
risk-terminal = Befehle können alles ändern oder löschen, was Sie selbst können.
risk-diagnostics = Einstellungen und Fehlermeldungen werden gelesen, keine persönlichen Dateien.
risk-actions = Reparaturen ändern Einstellungen. Jede steht hier in der Liste.
risk-reboot = Was nicht gespeichert ist, geht verloren.
risk-window = Alles in diesem Fenster ist zu sehen, und nichts anderes.
risk-screenshot = Was dann offen ist, bleibt im Bericht.
risk-runbook = Sie ändern etwas, löschen zum Beispiel alte temporäre Dateien. Jede steht hier in der Liste.

## In session
session-who = { $technician } von { $organisation }
session-view-none = Noch ist nichts zu sehen oder zu tun erlaubt.
session-can = Erlaubt ist
session-paused = Angehalten: Nichts wird gesehen oder getan.
session-paused-unseen = Angehalten, weil dieses Fenster nicht da war oder nicht antwortete. Es geht von selbst weiter.
session-paused-other-user = Angehalten, weil jetzt jemand anderes an diesem Bildschirm ist. Diese Person wird gefragt.
session-lost = Die Verbindung ist unterbrochen. Es wird auf sie gewartet.
session-left = noch { $time }
session-stop = Beenden
session-pause = Anhalten
session-resume = Fortsetzen
session-extend = 15 Minuten mehr
session-take = Zurücknehmen: { $what }
session-take-short = Zurücknehmen
session-done = Was gerade geschieht
session-quiet = Noch nichts.
session-since = Verbunden seit { $time }
session-more = { $n ->
    [one] Eine weitere Sitzung läuft.
   *[other] { $n } weitere Sitzungen laufen.
}
chat-title = Nachrichten
chat-hint = Schreiben Sie dem Techniker
chat-label = Ihre Nachricht
chat-send = Senden
chat-you = Sie
chat-empty = Noch wurde nichts geschrieben.
mark-sent = gesendet
mark-received = angekommen
mark-shown = gelesen
banner-sees = { $who } ist verbunden
banner-can = Erlaubt: { $what }
banner-none = Noch ist nichts erlaubt
banner-key = Beenden: { $key }
banner-key-taken = Die Taste { $key } zum Beenden gehört einem anderen Programm
banner-open = Öffnen
banner-name = Nearhand-Sitzung
close-notice = Die Sitzung läuft weiter. Diese Leiste bleibt, solange jemand verbunden ist; Beenden schließt die Sitzung.

## After
after-title = Die Sitzung ist vorbei
after-summary = { $technician } von { $organisation }, { $from } bis { $to }
after-why = Warum sie endete: { $why }
after-done = Was getan wurde
after-nothing = Nichts wurde getan.
after-save = Als Datei speichern
after-saved = Gespeichert als { $file }
after-not-saved = Speichern ging nicht: { $why }
after-thanks = Wie war es?
after-star-1 = 1 von 5 Sternen
after-star-2 = 2 von 5 Sternen
after-star-3 = 3 von 5 Sternen
after-star-4 = 4 von 5 Sternen
after-star-5 = 5 von 5 Sternen
after-comment = Bemerkung (freiwillig)
after-send = Senden
after-rated = Danke.
after-report = Diese Sitzung melden
after-report-body = Sagen Sie den Verwaltern der Organisation, was nicht in Ordnung war. Der Techniker sieht es nicht.
after-report-label = Was nicht in Ordnung war
after-report-send = Meldung senden
after-reported = Ihre Meldung ist gesendet.
after-finish = Fertig
record-title = Nearhand: was in einer Sitzung getan wurde
record-device = Rechner: { $device }

## What is done
act-sees-screen = Der Techniker sieht den Bildschirm
act-leaves-screen = Der Techniker sieht den Bildschirm nicht mehr
act-sees-window = Der Techniker sieht das Fenster { $window }
act-leaves-window = Der Techniker sieht das Fenster { $window } nicht mehr
act-controls = Der Techniker kann Maus und Tastatur benutzen
act-leaves-control = Der Techniker benutzt Maus und Tastatur nicht mehr
act-takes-clipboard = Der Techniker holt, was in der Zwischenablage ist
act-takes-picture = Ein Bild vom Bildschirm wird für den Bericht gemacht
act-records = Der Techniker zeichnet den Bildschirm auf: Was zu sehen ist, bleibt in einer Datei
act-stops-recording = Der Techniker zeichnet nicht mehr auf
act-diagnoses = Dieser Rechner wird geprüft
act-diagnosed = Die Prüfung ist fertig; der Bericht ist gesendet
act-diagnosis-broken = Die Prüfung wurde abgebrochen
act-granted = Erlaubt für { $time }: { $what }
act-taken-back = Zurückgenommen: { $what }
act-expired = Die Zeit ist um für: { $what }
act-extended = Mehr Zeit gegeben für: { $what }
act-refused = Dem Techniker wurde etwas verweigert: { $why }
act-interrupted = Die Verbindung ist abgebrochen; es wird auf sie gewartet
act-reconnected = Die Verbindung ist wieder da
act-paused = Angehalten: Nichts wird gesehen oder getan
act-paused-unseen = Angehalten, weil hier niemand die Sitzung sah
act-paused-other-user = Angehalten, weil jemand anderes an diesem Bildschirm war
act-resumed = Die Sitzung geht weiter

## What the agent says
said-stopped = Sie wurde an diesem Rechner beendet.
said-by-technician = Der Techniker hat sie beendet.
said-technician-revoked = Die Organisation steht nicht mehr für diesen Techniker ein.
said-agent-stops = Nearhand wurde auf diesem Rechner angehalten.
said-key-rotated = Dieser Rechner hat einen neuen Schlüssel bekommen.
said-nothing-granted = Lange war nichts mehr erlaubt.
said-by-relay = Der Server des Support-Teams hat sie beendet.
said-unwatched = An diesem Rechner konnte sie niemand mehr sehen.
said-connection-lost = Die Verbindung ist abgebrochen und nicht wiedergekommen.
said-other-user = Jetzt ist jemand anderes an diesem Bildschirm und hat die Sitzung erlaubt. Sie gehört nun dieser Person.
said-code-used = Er wurde benutzt.
said-code-burnt = Jemand hat einen falschen Code versucht.
said-code-expired = Seine Zeit ist um.
said-code-cancelled = Sie haben ihn ungültig gemacht.
said-everything-stopped = Sie haben alles beendet.
said-code-lost = Der Server des Support-Teams wurde neu gestartet. Machen Sie einen neuen Code.
said-code-elsewhere = Jemand anderes an diesem Rechner hat einen neuen gemacht.
said-clock-off = Die Uhr dieses Rechners geht mehr als einen Tag falsch. Bitte stellen Sie sie.
said-wrong-code = Jemand hat einen falschen Hilfe-Code versucht: { $who }. Wenn Sie nicht gerade jemandem einen vorgelesen haben, machen Sie keinen neuen.
said-record-unwritable = Was geschieht, kann nicht aufgeschrieben werden; deshalb wird nichts Neues erlaubt. Die Festplatte ist voll oder antwortet nicht.
said-record-writable = Was geschieht, kann wieder aufgeschrieben werden: Anfragen können erlaubt werden.
said-missed = Einige Neuigkeiten haben dieses Fenster nicht rechtzeitig erreicht.
said-request-over = Diese Bitte ist nicht mehr offen.
said-read-first = Bitte lesen Sie zuerst, wer fragt und warum. Erlauben geht in { $time }.
said-hands-off = Der Techniker benutzt gerade Maus oder Tastatur. Antworten Sie, wenn er { $time } stillgehalten hat.
said-nothing-chosen = Nichts von dem, worum gebeten wurde, ist angekreuzt. Drücken Sie stattdessen Ablehnen.
said-which-window = Wählen Sie, welches Fenster zu sehen sein soll.
said-window-unlisted = Dieses Fenster gibt es nicht mehr. Wählen Sie neu.
said-session-over = Diese Sitzung ist vorbei.
said-none-granted = Davon ist nichts mehr erlaubt.
said-chat-full = Die Nachricht ist leer, oder es sind schon zu viele.
said-no-code = Sie haben keinen Code.
said-codes-locked = Zu viele falsche Codes wurden versucht. Ein neuer geht in { $time }.
said-no-relay = Das Support-Team ist gerade nicht erreichbar. Versuchen Sie es gleich noch einmal.
said-not-their-screen = Fenster werden nur der Person an diesem Bildschirm aufgelistet, während ein Techniker um eines bittet.
said-too-many-programs = Zu viele Ihrer Programme sind mit dem Agenten verbunden. Schließen Sie einige. Anhalten geht immer.
said-no-text = Bitte schreiben Sie ein paar Worte.
said-not-theirs = Das ist keine Ihrer Sitzungen, die vorbei sind.
said-not-granted = nicht erlaubt: { $what }
said-grant-over = die Zeit ist um für: { $what }
said-not-offered = auf diesem Rechner nicht möglich: { $what }
said-nobody-sees = An diesem Rechner konnte es niemand sehen.
said-path-lost = Die Verbindung stockt; es wird weiter versucht
said-path-back = Die Verbindung steht wieder
said-cant-show = Der Bildschirm kann dem Techniker nicht gezeigt werden: { $why }
said-picture-sent = Ein Bild vom Bildschirm wurde für den Bericht gesendet; ein weiteres muss neu erlaubt werden
said-picture-not-sent = Es wurde kein Bild vom Bildschirm gesendet; ein neuer Versuch muss neu erlaubt werden
said-window-over = Das Fenster, das zu sehen war, gibt es nicht mehr; ein anderes muss neu erlaubt werden
said-runbook-begins = Eine vorbereitete Reparatur beginnt: { $name }
said-runbook-looks = Es wird geprüft, was eine vorbereitete Reparatur täte; nichts wird geändert: { $name }
said-runbook-step = Reparatur { $name }: { $what } ({ $why })
said-runbook-done = Reparatur { $name } ist fertig: { $why }
said-runbook-not-done = Reparatur { $name } hat nichts geändert: { $why }
said-runbook-failed = Reparatur { $name } ist nicht gelungen: { $why }
said-runbook-cancelled = Reparatur { $name } wurde abgebrochen: { $why }
said-runbook-timed-out = Reparatur { $name } hat zu lange gedauert: { $why }
said-runbook-interrupted = Reparatur { $name } wurde unterbrochen: { $why }
said-runbook-refused = Eine vorbereitete Reparatur wurde verweigert: { $why }
repair-restart-service = ein Dienst wird neu gestartet
repair-clear-caches = alte temporäre Dateien werden gelöscht
repair-rotate-logs = alte Protokolle werden verkleinert
repair-mend-network = das Netzwerk wird neu eingerichtet
repair-sync-time = die Uhr wird gestellt
repair-clear-print-queue = hängende Druckaufträge werden gelöscht
repair-tame-process = ein Programm, das zu viel beansprucht, wird gebremst oder beendet
repair-collect-diagnostics = dieser Rechner wird geprüft

## What a person can mend themselves: what was found, and what to do
fix-busy = Dieser Rechner hat mehr zu tun, als er schafft
fix-busy-do = Schließen Sie Programme und Browser-Tabs, die Sie gerade nicht brauchen.
fix-hot = Dieser Rechner ist zu heiß und wird langsamer
fix-hot-do = Achten Sie darauf, dass nichts die Lüftung verdeckt, und lassen Sie ihn eine Weile abkühlen.
fix-disk-full = Auf { $what } ist kaum noch Platz für Dateien
fix-disk-full-do = Löschen Sie, was Sie nicht mehr brauchen, und leeren Sie den Papierkorb.
fix-battery = Der Akku ist verbraucht
fix-battery-do = Lassen Sie den Rechner am Netz, und lassen Sie den Akku ersetzen.
fix-memory = Diesem Rechner geht der Arbeitsspeicher aus
fix-memory-do = Speichern Sie Ihre Arbeit, und schließen Sie dann Programme und Browser-Tabs, die Sie gerade nicht brauchen.
fix-no-network = Dieser Rechner ist mit keinem Netzwerk verbunden
fix-no-network-do = Prüfen Sie das Netzwerkkabel, oder schalten Sie WLAN ein und wählen Sie Ihr Netz.
fix-portal = Dieses Netzwerk verlangt zuerst eine Anmeldung
fix-portal-do = Öffnen Sie einen Browser: Dort erscheint die Anmeldeseite des Netzwerks.
fix-wifi = Das WLAN-Signal ist schwach
fix-wifi-do = Gehen Sie näher an den WLAN-Router, oder nehmen Sie ein Kabel.
fix-printer = Der Drucker { $what } hat angehalten
fix-printer-do = Prüfen Sie Papier, Tinte und Kabel, und schalten Sie den Drucker dann aus und wieder ein.
fix-print-jobs = Am Drucker { $what } hängen Druckaufträge fest
fix-print-jobs-do = Öffnen Sie die Liste der Druckaufträge, und brechen Sie den ersten ab.
fix-restart = Aktualisierungen warten auf einen Neustart
fix-restart-do = Speichern Sie Ihre Arbeit, und starten Sie den Rechner neu.

## Tray and about
tray-idle = Nearhand: niemand ist verbunden
tray-busy = Nearhand: jemand ist verbunden
tray-asked = Nearhand: jemand möchte sich verbinden
tray-lost = Nearhand: der Hilfe-Dienst fehlt
tray-help = Ich brauche Hilfe
tray-open = Fenster öffnen
tray-stop = Sitzung beenden
about-title = Über Nearhand
about-body = Fernhilfe, bei der Sie entscheiden, was gesehen und getan wird, und alles davon sehen und beenden können.
about-version = Version { $version }
about-device = Dieser Rechner: { $device }
about-relay = Relay: { $relay }
about-licence = Freie Software, lizenziert unter MIT oder Apache-2.0.
about-made = Das Fenster ist gemacht mit
