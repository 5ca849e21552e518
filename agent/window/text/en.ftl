# The window's own words. Every language has the same messages with the same variables: a test holds that.

## General
app-name = Nearhand
list-separator = {", "}
list-empty = nothing
seconds = { $n ->
    [one] { $n } second
   *[other] { $n } seconds
}
minutes = { $n ->
    [one] { $n } minute
   *[other] { $n } minutes
}
hours = { $n ->
    [one] { $n } hour
   *[other] { $n } hours
}
hours-minutes = { $hours } h { $minutes } min
tab-help = Ask for help
tab-code = Support code
tab-about = About
tab-back = Back
connected = Connected
not-connected = Not connected
close = Close
cancel = Cancel
by-program = That press was made by a program, not by you, so it was ignored. If you did not expect this, press Stop or Deny.
message-from-agent = Message: { $text }

## The agent is away
lost-title = Waiting for the support service
lost-body = The part of Nearhand that protects this computer is not answering. While it is away, nobody can see or do anything here. This window reconnects by itself.
lost-seeking = Connecting…

## Which support team
site-title = Who helps you?
site-body = Your support team gives you a text that begins with “nearhand-site-”. Paste it here. Only use one from a team you contacted yourself.
site-label = Text from your support team
site-go = Continue
site-bad = This text can't be used. Was it copied whole?
site-starting = Starting…

## Ask for help
help-title = What is the matter?
help-body = Describe it in your own words. Your support team sees this text.
help-what = What is the matter
help-what-hint = For example: the printer no longer prints
help-urgency = How urgent is it?
urgency-can-wait = It can wait
urgency-hampered = I can work, but badly
urgency-stopped = I can't work at all
help-reach = How can we reach you?
help-reach-hint = Phone number or e-mail (optional)
help-send = Ask for help
help-looking = Checking this computer for known problems…
help-fixes = You may be able to solve it yourself
help-fixes-body = These were found on this computer just now:
help-sent-title = Your request
help-sending = Your request is kept here and sent as soon as the support team can be reached.
help-ahead = { $n ->
    [0] You are next.
    [one] One person is before you.
   *[other] { $n } people are before you.
}
help-wait = Expected wait: about { $time }
help-number = Request number { $n }
help-taken = { $name } has your request.
help-taken-body = They may ask to connect. Nothing happens on this computer until you allow it.
help-closed = Your request is closed.
help-refused = Your request could not be taken: { $why }
help-withdraw = I no longer need help
help-again = Ask again

## Support code
code-title = Support code
code-body = Read this code to the person who helps you. It works once.
code-none = There is no code right now.
code-left = Good for { $time }
code-copy = Copy
code-copied = Copied
code-new = New code
code-cancel = Cancel this code
code-gone = The code no longer counts: { $why }
code-warning = Read it only to somebody you contacted yourself. Nobody honest asks for money, gift cards or your bank login while helping you.

## Consent
consent-title = Do you allow this?
consent-who = { $technician } of { $organisation } asks to connect
consent-reason = Their reason, in their words
consent-no-reason = They gave no reason.
consent-first = You have not been helped by this person before. If you did not contact them, press Deny. Support teams never call you out of the blue.
consent-warning = Nobody honest asks for money, gift cards or your bank login while helping you.
consent-what = What they may do
consent-long = For how long
consent-15 = 15 minutes
consent-60 = 1 hour
consent-open = Until I stop it
consent-window = Which window may they see?
consent-window-note = Only that window is shown to them, whatever lies over it.
consent-no-window = No window is open.
consent-deny = Deny
consent-allow = Allow
consent-next = Continue
consent-wait = Please read first. Allow works in { $time }.
consent-pick = Tick what you want to allow.
consent-pick-window = Choose the window they may see.
consent-left = Counts as denied in { $time }
consent-refused = That did not count: { $why }
consent-more = { $n ->
    [one] One more request waits.
   *[other] { $n } more requests wait.
}
elevated-title = Are you sure?
elevated-body = { $technician } of { $organisation } would get far-reaching access:
elevated-open = It goes on even while you are away from this computer, until you press Stop.
elevated-warning = Allow this only if you know this person and contacted them yourself.
elevated-allow = Yes, allow it
elevated-back = Back
request-notice-title = Somebody asks to connect
request-notice-body = { $technician } of { $organisation } waits for your answer.

## Capabilities: what it is called in a list, what it lets them do, its risk
cap-view = see the screen
cap-control = use mouse and keyboard
cap-clipboard = use the clipboard
cap-files = exchange files
cap-terminal = type commands
cap-diagnostics = check this computer
cap-actions = run repairs
cap-reboot = restart this computer
cap-window = see one window
cap-screenshot = take one picture of the screen
cap-runbook = run prepared repairs
does-view = See your screen
does-control = Use your mouse and keyboard
does-clipboard = Read and fill your clipboard
does-files = Send and fetch files
does-terminal = Type commands
does-diagnostics = Check how this computer is doing
does-actions = Run repairs from a fixed list
does-reboot = Restart this computer
does-window = See one window that you choose
does-screenshot = Take one picture of your screen
does-runbook = Run repairs that this computer's owner prepared
risk-view = They see everything that is open. Close what is private first.
risk-control = They can do whatever you can do. Watch what happens.
risk-clipboard = What you copied last, such as a password, can be read.
risk-files = They can take copies of your files and put new ones here.
risk-terminal = Commands can change or delete anything you can.
risk-diagnostics = Settings and error messages are read, no personal files.
risk-actions = Repairs change settings. Each one is listed here.
risk-reboot = What is not saved is lost.
risk-window = Everything in that window is seen, and nothing else.
risk-screenshot = Whatever is open then stays in the report.
risk-runbook = They change things, such as deleting old temporary files. Each one is listed here.

## In session
session-who = { $technician } of { $organisation }
session-view-none = They can't see or do anything yet.
session-can = They may
session-paused = Paused: nothing is seen or done.
session-paused-unseen = Paused, because this window was not there or did not answer. It goes on by itself.
session-paused-other-user = Paused, because somebody else is at this screen now. They are asked.
session-lost = The connection is interrupted. It is waited for.
session-left = { $time } left
session-stop = Stop
session-pause = Pause
session-resume = Resume
session-extend = 15 minutes more
session-take = Take back: { $what }
session-take-short = Take back
session-done = What is being done
session-quiet = Nothing yet.
session-since = Connected since { $time }
session-more = { $n ->
    [one] One more session is under way.
   *[other] { $n } more sessions are under way.
}
chat-title = Messages
chat-hint = Write to the technician
chat-label = Your message
chat-send = Send
chat-you = You
chat-empty = Nothing has been written yet.
mark-sent = sent
mark-received = received
mark-shown = read
banner-sees = { $who } is connected
banner-can = May { $what }
banner-none = May do nothing yet
banner-key = Stop: { $key }
banner-key-taken = The Stop key { $key } is used by another program
banner-open = Open
banner-name = Nearhand session
close-notice = The session goes on. This bar stays while somebody is connected; press Stop to end it.

## After
after-title = The session is over
after-summary = { $technician } of { $organisation }, { $from } to { $to }
after-why = Why it ended: { $why }
after-done = What was done
after-nothing = Nothing was done.
after-save = Save as a file
after-saved = Saved as { $file }
after-not-saved = It could not be saved: { $why }
after-thanks = How was it?
after-star-1 = 1 star of 5
after-star-2 = 2 stars of 5
after-star-3 = 3 stars of 5
after-star-4 = 4 stars of 5
after-star-5 = 5 stars of 5
after-comment = Comment (optional)
after-send = Send
after-rated = Thank you.
after-report = Report this session
after-report-body = Tell the organisation's administrators that something was wrong. The technician does not see it.
after-report-label = What was wrong
after-report-send = Send the report
after-reported = Your report was sent.
after-finish = Finish
record-title = Nearhand: what was done in a session
record-device = Computer: { $device }

## What is done
act-sees-screen = The technician sees the screen
act-leaves-screen = The technician no longer sees the screen
act-sees-window = The technician sees the window { $window }
act-leaves-window = The technician no longer sees the window { $window }
act-controls = The technician can use mouse and keyboard
act-leaves-control = The technician no longer uses mouse and keyboard
act-takes-clipboard = The technician takes what is on the clipboard
act-takes-picture = One picture of the screen is taken for the report
act-records = The technician records the screen: what they see is kept in a file
act-stops-recording = The technician no longer records the screen
act-diagnoses = This computer is being checked
act-diagnosed = The check is done; the report was sent
act-diagnosis-broken = The check was broken off
act-granted = Allowed for { $time }: { $what }
act-taken-back = Taken back: { $what }
act-expired = Time is over for: { $what }
act-extended = More time was given for: { $what }
act-refused = The technician was refused something: { $why }
act-interrupted = The connection was lost; it is waited for
act-reconnected = The connection is back
act-paused = Paused: nothing is seen or done
act-paused-unseen = Paused, because nobody here saw the session
act-paused-other-user = Paused, because somebody else was at this screen
act-resumed = The session goes on

## What the agent says
said-stopped = It was stopped at this computer.
said-by-technician = The technician ended it.
said-technician-revoked = The organisation no longer vouches for this technician.
said-agent-stops = Nearhand was stopped on this computer.
said-key-rotated = This computer got a new key.
said-nothing-granted = Nothing had been allowed for a long time.
said-by-relay = The support team's server ended it.
said-unwatched = Nobody at this computer could see it any more.
said-connection-lost = The connection was lost and did not come back.
said-other-user = Somebody else is at this screen now and has allowed the session. It is theirs.
said-code-used = It was used.
said-code-burnt = Somebody tried a wrong code.
said-code-expired = Its time is over.
said-code-cancelled = You cancelled it.
said-everything-stopped = You stopped everything.
said-code-lost = The support team's server was restarted. Make a new code.
said-code-elsewhere = Somebody else at this computer made a new one.
said-clock-off = This computer's clock is more than a day off. Please set it.
said-wrong-code = Somebody tried a wrong support code: { $who }. If you did not just read one out to somebody, do not make another.
said-record-unwritable = What happens can't be recorded, so nothing new is allowed. The disk is full or does not answer.
said-record-writable = What happens can be recorded again: requests can be allowed.
said-missed = Some news did not reach this window in time.
said-request-over = That request is no longer open.
said-read-first = Please read first who asks and why. Allow works in { $time }.
said-hands-off = The technician is using mouse or keyboard right now. Answer when they have kept still for { $time }.
said-nothing-chosen = Nothing of what was asked for is ticked. Press Deny instead.
said-which-window = Choose which window may be seen.
said-window-unlisted = That window is no longer there. Choose again.
said-session-over = That session is over.
said-none-granted = None of that is allowed any more.
said-chat-full = The message is empty, or there are too many already.
said-no-code = There is no code of yours.
said-codes-locked = Too many wrong codes were tried. You can make a new one in { $time }.
said-no-relay = The support team can't be reached right now. Try again in a moment.
said-not-their-screen = Windows are listed only for the person at this screen, while a technician asks for one.
said-too-many-programs = Too many programs of yours are connected to the agent. Close some of them. Stop always works.
said-no-text = Please write a few words.
said-not-theirs = That session is not one of yours that is over.
said-not-granted = not allowed: { $what }
said-grant-over = the time is over for: { $what }
said-not-offered = not possible on this computer: { $what }
said-nobody-sees = Nobody at this computer could see it.
said-path-lost = The connection stutters; it is tried again
said-path-back = The connection is steady again
said-cant-show = The technician can't be shown the screen: { $why }
said-picture-sent = One picture of the screen was sent for the report; another needs a new permission
said-picture-not-sent = No picture of the screen was sent; another try needs a new permission
said-window-over = The window that was seen is no longer there; another needs a new permission
said-runbook-begins = A prepared repair begins: { $name }
said-runbook-looks = It is checked what a prepared repair would do; nothing is changed: { $name }
said-runbook-step = Repair { $name }: { $what } ({ $why })
said-runbook-done = Repair { $name } is done: { $why }
said-runbook-not-done = Repair { $name } changed nothing: { $why }
said-runbook-failed = Repair { $name } did not succeed: { $why }
said-runbook-cancelled = Repair { $name } was stopped: { $why }
said-runbook-timed-out = Repair { $name } took too long: { $why }
said-runbook-interrupted = Repair { $name } was interrupted: { $why }
said-runbook-refused = A prepared repair was refused: { $why }
repair-restart-service = a service is started again
repair-clear-caches = old temporary files are removed
repair-rotate-logs = old logs are made smaller
repair-mend-network = the network is set up again
repair-sync-time = the clock is set
repair-clear-print-queue = stuck print jobs are removed
repair-tame-process = a program that takes too much is slowed down or ended
repair-collect-diagnostics = this computer is checked

## What a person can mend themselves: what was found, and what to do
fix-busy = This computer has more to do than it can manage
fix-busy-do = Close programs and browser tabs that you don't need right now.
fix-hot = This computer is too hot and slows down
fix-hot-do = Make sure that nothing covers its air vents, and let it cool down for a while.
fix-disk-full = There is hardly any space left for files on { $what }
fix-disk-full-do = Delete what you no longer need, and empty the bin.
fix-battery = The battery is worn out
fix-battery-do = Keep this computer plugged in, and have the battery replaced.
fix-memory = This computer is running out of memory
fix-memory-do = Save your work, then close programs and browser tabs that you don't need right now.
fix-no-network = This computer is not connected to a network
fix-no-network-do = Check the network cable, or switch Wi-Fi on and choose your network.
fix-portal = This network wants you to log in first
fix-portal-do = Open a web browser: the network's own login page appears there.
fix-wifi = The Wi-Fi signal is weak
fix-wifi-do = Move closer to the Wi-Fi router, or use a cable.
fix-printer = The printer { $what } has stopped
fix-printer-do = Check paper, ink and cable, then switch the printer off and on again.
fix-print-jobs = Print jobs are stuck at the printer { $what }
fix-print-jobs-do = Open the printer's list of jobs and cancel the first one.
fix-restart = Updates wait for a restart
fix-restart-do = Save your work and restart this computer.

## Tray and about
tray-idle = Nearhand: nobody is connected
tray-busy = Nearhand: somebody is connected
tray-asked = Nearhand: somebody asks to connect
tray-lost = Nearhand: the support service is away
tray-help = I need help
tray-open = Open window
tray-stop = Stop the session
about-title = About Nearhand
about-body = Remote support in which you decide what is seen and done, and can see and stop all of it.
about-version = Version { $version }
about-device = This computer: { $device }
about-relay = Relay: { $relay }
about-licence = Free software, licensed MIT or Apache-2.0.
about-made = The window is made with
