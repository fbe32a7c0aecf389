import { render } from 'preact';
import { App } from './components/app';
import { placeOf, randomPeerId } from './place';
import './styles/base.css';
import './styles/lobby.css';
import './styles/call.css';

const place = placeOf(new URL(window.location.href), randomPeerId());
document.title = `${place.room} · Millrace`;
render(<App place={place} />, document.getElementById('app') as HTMLElement);
